"""Curation: `select(signals, ...)` decides which training samples stay. Arrays in, values out; no TensorFlow."""

from edgekit.curation.select import select

__all__ = ["select"]
