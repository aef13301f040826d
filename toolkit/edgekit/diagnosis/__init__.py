"""What `edgekit doctor` looks at: the packages, the machine, and what can be reached from it; each problem with its fix.

Nothing heavy is imported: versions come from the metadata of what is installed.
"""
