"""One kind of target a module, each with `measure(artifacts, plan, image) -> measurements`; see registry.TARGETS."""
