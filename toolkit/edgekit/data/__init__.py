"""Labeled data in: `load(spec)` gives a Dataset with train, val, cal and test; `load_pool(spec)` unlabeled samples."""

from edgekit.data.images import skipped_told
from edgekit.data.load import load, load_section, resolved
from edgekit.data.pool import load_pool
from edgekit.data.splits import few_told

__all__ = ["few_told", "load", "load_pool", "load_section", "resolved", "skipped_told"]
