"""One curation method per module, each with `decide(signals, *, budget, seed, params) -> Decision`; see registry.CURATIONS."""
