"""edgekit data: questions about a data set, before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.options import Json
from edgekit.errors import DataError, UsageError

if TYPE_CHECKING:
    from edgekit.data.findings import Findings
    from edgekit.types import Dataset, Skipped

app = typer.Typer(help="Questions about a data set, before anything is trained.", no_args_is_help=True)

Spec = Annotated[str, typer.Argument(metavar="SPEC", help="A named set, an image or IDX folder, a CSV or a .npz file.")]
ImageSize = Annotated[str | None, typer.Option(metavar="N|HxW", help="Resize all images, to N x N or H x W.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Unreadable files are listed, but no error.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page with pictures, too.")]
Near = Annotated[
    float | None,
    typer.Option(min=0.5, max=1, help="Similarity of near copies; 1: exact copies only; default: what suits the set."),
]
_MOST_NAMED = 5


@app.callback()
def data() -> None:
    """Questions about a data set, before anything is trained."""


@app.command("check")
def check(
    spec: Spec,
    image_size: ImageSize = None,
    skip_bad: SkipBad = False,
    near: Near = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Find unreadable files, copies, leaks into the test part, blank pictures, class imbalance and odd class names."""
    if html is not None and (html.is_dir() or not html.absolute().parent.is_dir()):
        raise UsageError(f"--html {html}: expected a file in a folder that exists.")
    from edgekit.cli import findings as shown
    from edgekit.cli.console import Console
    from edgekit.data.check import check as look
    from edgekit.data.findings import document
    from edgekit.data.load import load

    with Console() as reporter:
        dataset = load(spec, image_size=_size(image_size), skip_bad=True, split=False)
        findings = look(dataset, near=near, reporter=reporter)
    if html is not None:
        _write(html, findings, dataset)
    typer.echo(json.dumps(document(findings), indent=2) if as_json else shown.text(findings, html))
    if findings.unreadable and not skip_bad:
        raise DataError(_unreadable(spec, findings.unreadable))


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    from edgekit import recipe

    return recipe.load(settings=[f"data.image_size={text}"]).data.image_size


def _write(path: Path, findings: Findings, dataset: Dataset) -> None:
    from edgekit.report import check_page
    from edgekit.store import write_atomic

    write_atomic(path, check_page.render(findings, dataset))


def _unreadable(spec: str, files: Sequence[Skipped]) -> str:
    named = ", ".join(f"{file.path} ({file.reason})" for file in files[:_MOST_NAMED])
    rest = f" and {len(files) - _MOST_NAMED:,} more, listed above" if len(files) > _MOST_NAMED else ""
    count = "1 file" if len(files) == 1 else f"{len(files):,} files"
    return f"{count} of {spec} cannot be read: {named}{rest}. Repair or remove them, or leave them out with --skip-bad."
