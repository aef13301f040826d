"""Curation: `select(signals, section)` decides which training samples to edit. Arrays in, values out; no TensorFlow."""

from edgekit.curation.select import select

__all__ = ["select"]
