"""The command line: each command parses, calls one function and prints. Nothing heavy is imported before it is needed."""
