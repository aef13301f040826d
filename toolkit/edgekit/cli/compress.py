"""edgekit compress: prune and quantize your own Keras model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli import options as o
from edgekit.cli import summary
from edgekit.cli.ci_outputs import reported_to_ci
from edgekit.cli.console import Console
from edgekit.cli.signature import taking
from edgekit.errors import EdgekitError, UsageError
from edgekit.types import Report

KEYS = (
    "data.spec",
    "data.image_size",
    "data.skip_bad",
    *o.keys(o.COMPRESSION),
    "gates",
    "max_drop",
    "bench.targets",
    "seed",
)

Model = Annotated[
    Path,
    typer.Option(
        "--model", metavar="FILE", help="A .keras or .h5 model of Keras 3 or tf_keras.", rich_help_panel=o.DATA
    ),
]
InputRange = Annotated[
    str | None,
    typer.Option(
        metavar="0-1|0-255|signed", rich_help_panel=o.DATA,
        help="Range of pixel values that your model was trained on. By default its first layers decide.",
    ),
]  # fmt: skip
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder to write. By default runs/<model>-<precision>.", rich_help_panel=o.RUN),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the run in --out.", rich_help_panel=o.RUN)]


@taking(*KEYS)
def compress(
    model: Model,
    values: Mapping[str, Any],
    recipe: o.RecipeFile = None,
    set_: o.Settings = None,
    input_range: InputRange = None,
    out: Out = None,
    force: Force = False,
    junit: o.Junit = None,
    summary_file: o.Summary = None,
    as_json: o.Json = False,
) -> None:
    """Prune and quantize your own Keras model, and measure the effect on your data."""
    from edgekit import recipe as recipes
    from edgekit.data.pixels import RANGES

    if input_range is not None and input_range not in RANGES:
        raise UsageError(f"--input-range must be one of {', '.join(RANGES)}, found {input_range!r}.")
    with reported_to_ci("compress", str(model), values["gates"] or (), junit, summary_file) as result:
        full_recipe = recipes.load(recipe, set_ or [], values)
        result.add(unjudged=full_recipe.gates)
        from edgekit.pipeline import compress as compressing

        folder = out or Path("runs") / f"{model.stem}-{full_recipe.quantization.precision}"
        ranged: Any = input_range
        try:
            with Console() as reporter:
                report = compressing.compress(
                    full_recipe, model, folder, input_range=ranged, force=force, reporter=reporter
                )
        except EdgekitError as missed:
            if isinstance(missed.report, Report):
                _print(missed.report.document, folder, as_json)
            raise
        _print(report.document, folder, as_json)
        result.report(report)


def _print(document: Mapping[str, Any], folder: Path, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(document, indent=2))
        return
    more = summary.balanced(document)
    typer.echo(
        f"{'file':<26} {'bytes':>11} {'gzip':>11} {'zeros':>7} {'accuracy':>9} {more(None)}{'NLL':>8} {'MAC':>13}  "
        "p50 ms (threads)"
    )
    for artifact, test, latency in summary.files(document):
        macs = f"{artifact['macs']:,}" if artifact["macs"] else "not counted"
        typer.echo(
            f"{artifact['name']:<26} {artifact['size_bytes']:>11,} {artifact['gzip_bytes']:>11,} "
            f"{artifact['sparsity']:>7.1%} {test['accuracy']:>9.4f} {more(test)}{test['nll']:>8.4f} {macs:>13}  {latency}"
        )
    summary.print_classes(document)
    summary.print_remark(document)
    summary.print_devices(document)
    summary.print_gates(document)
    for line in document["not_improved"]:
        typer.echo(f"not improved: {line}")
    typer.echo(f"report: {folder / 'report.json'}")
