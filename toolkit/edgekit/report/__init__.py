"""The report of a run: report.json (schema 1), report.html and card.md."""

from edgekit.report.compressed import of_file
from edgekit.report.document import Contents, assemble, of_build
from edgekit.report.write import keep_pictures, read, rebuild, write

__all__ = ["Contents", "assemble", "keep_pictures", "of_build", "of_file", "read", "rebuild", "write"]
