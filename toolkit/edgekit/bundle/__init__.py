"""Bundles: one folder with all that an app needs of a finished file, and the means to prove that it works there."""
