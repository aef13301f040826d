"""What a notebook shows: values as small tables (reprs.py) and a build as it goes on (progress.py). Imports nothing heavy.

It lies below `edgekit.types`, whose values hand their display over to it: so it knows them by their attributes alone.
"""
