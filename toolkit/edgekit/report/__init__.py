"""The report of a run: report.json (schema 1), report.html and card.md."""

from edgekit.report.document import assemble
from edgekit.report.write import keep_pictures, read, rebuild, write

__all__ = ["assemble", "keep_pictures", "read", "rebuild", "write"]
