"""Display in notebooks: values as small tables (reprs.py) and the progress of a build (progress.py). Imports nothing heavy.

It is below `edgekit.types`, whose values delegate their display to it, so it knows them only by their attributes.
"""
