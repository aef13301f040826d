"""Labeled data in: `load(spec)` gives a Dataset with train, val, cal and test."""

from edgekit.data.load import load

__all__ = ["load"]
