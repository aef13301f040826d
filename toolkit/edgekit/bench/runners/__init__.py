"""Ways to measure files on a target: with Python there, or with a native program."""
