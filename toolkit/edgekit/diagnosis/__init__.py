"""What `edgekit doctor` checks: the packages, the machine, and the reachable targets; each problem with its fix.

Nothing heavy is imported: versions come from the metadata of the installed packages.
"""
