"""One module per data source, each with `read(spec, options) -> RawData`; the table is `registry.SOURCES`."""
