"""One curation method a module, each with `decide(signals, *, budget, seed, params) -> Decision`; see registry.CURATIONS."""
