"""edgekit data: checks of a data set before training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli.help import Command, Group, examples
from edgekit.cli.options import DATA, Json
from edgekit.cli.signature import taking
from edgekit.errors import DataError, UsageError

if TYPE_CHECKING:
    from edgekit.data.findings import Findings
    from edgekit.types import Dataset, Skipped

app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

Spec = Annotated[
    str, typer.Argument(metavar="SPEC", help="Data set: a name, an image or IDX folder, a CSV or an .npz file.")
]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with pictures.")]
Near = Annotated[
    float | None,
    typer.Option(
        metavar="SIMILARITY", min=0.5, max=1,
        help="Similarity of near duplicates; 1 finds only exact ones. By default it depends on the data set.",
        rich_help_panel=DATA,
    ),
]  # fmt: skip
_MOST_NAMED = 5


@app.callback()
def data() -> None:
    """Check a data set before you train on it."""


@app.command(
    "check",
    cls=Command,
    epilog=examples("edgekit data check photos/", "edgekit data check fashion-mnist-mini --html check.html"),
)
@taking("data.image_size", "data.skip_bad")
def check(
    spec: Spec,
    values: Mapping[str, Any],
    near: Near = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Find unreadable files, duplicates, leaks into the test set, blank images, class imbalance and odd class names."""
    if html is not None and (html.is_dir() or not html.absolute().parent.is_dir()):
        raise UsageError(f"--html {html}: expected a file in a folder that exists.")
    from edgekit.cli import findings as shown
    from edgekit.cli.console import Console
    from edgekit.data.check import check as look
    from edgekit.data.findings import document
    from edgekit.data.load import load

    with Console() as reporter:
        dataset = load(spec, image_size=_size(values["data.image_size"]), skip_bad=True, split=False)
        findings = look(dataset, near=near, reporter=reporter)
    if html is not None:
        _write(html, findings, dataset)
    typer.echo(json.dumps(document(findings), indent=2) if as_json else shown.text(findings, html))
    if findings.unreadable and not values["data.skip_bad"]:
        raise DataError(_unreadable(spec, findings.unreadable))


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    from edgekit import recipe

    return recipe.load(settings=[f"data.image_size={text}"]).data.image_size


def _write(path: Path, findings: Findings, dataset: Dataset) -> None:
    from edgekit.report import check_page
    from edgekit.runs.files import write_atomic

    write_atomic(path, check_page.render(findings, dataset))


def _unreadable(spec: str, files: Sequence[Skipped]) -> str:
    named = ", ".join(f"{file.path} ({file.reason})" for file in files[:_MOST_NAMED])
    rest = f" and {len(files) - _MOST_NAMED:,} more, listed above" if len(files) > _MOST_NAMED else ""
    count = "1 file" if len(files) == 1 else f"{len(files):,} files"
    return f"{count} of {spec} cannot be read: {named}{rest}. Repair or remove them, or leave them out with --skip-bad."
