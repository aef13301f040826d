"""Loading data: `load(spec)` returns a labeled Dataset with train, val, cal and test; `load_pool(spec)` unlabeled samples."""

from edgekit.data.images import skipped_message
from edgekit.data.load import load, load_section, resolved
from edgekit.data.pool import load_pool
from edgekit.data.splits import few_samples_message

__all__ = ["few_samples_message", "load", "load_pool", "load_section", "resolved", "skipped_message"]
