"""One module for each kind of target, with a subclass of edgekit.bench.target.Target; see registry.TARGETS."""
