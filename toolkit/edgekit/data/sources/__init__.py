"""One module per data source, each with `read(spec) -> RawData`; the table is `registry.SOURCES`."""
