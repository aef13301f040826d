"""edgekit report: the report of a run, written again from the run's own files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.options import Json

Folder = Annotated[Path, typer.Argument(help="Run folder.", metavar="RUN")]


def report(run: Folder, as_json: Json = False) -> None:
    """Verify the digests of a run folder and write its report.html and card.md again."""
    from edgekit import report as reports
    from edgekit.cli import summary

    rebuilt = reports.rebuild(run)
    summary.print_report(rebuilt.document, rebuilt.path, as_json)
