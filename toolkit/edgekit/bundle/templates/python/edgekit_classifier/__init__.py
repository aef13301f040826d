"""A classifier and its self-test: `python -m edgekit_classifier --help`."""
