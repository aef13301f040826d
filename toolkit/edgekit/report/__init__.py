"""The report of a run: report.json (schema 1), report.html and card.md."""

from edgekit.report.document import assemble
from edgekit.report.environment import environment, framework_versions
from edgekit.report.write import read, rebuild, write

__all__ = ["assemble", "environment", "framework_versions", "read", "rebuild", "write"]
