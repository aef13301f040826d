"""edgekit compress: a Keras model of your own, smaller."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli import options as o
from edgekit.cli import summary
from edgekit.cli.build import Io, LogitsOutput, Prune, PruneChannels, Quantize, Waveform, reading, resolved
from edgekit.cli.console import Console
from edgekit.cli.outlets import GateOption, Junit, Summary, outlets
from edgekit.errors import GateNotMet, TargetError, UsageError
from edgekit.types import Report

_RANGES = ("0-1", "0-255")

Model = Annotated[Path, typer.Option("--model", metavar="FILE", help="A .keras or .h5 model of Keras 3 or tf_keras.")]
Calibration = Annotated[
    str | None, typer.Option(metavar="SPEC", help="Images to read int8 ranges from, labels not needed; default: train.")
]
MaxDrop = Annotated[
    float | None,
    typer.Option(
        metavar="PP",
        help="Most accuracy points that pruning and quantization may cost (on validation); exit code 7 if missed.",
    ),
]
InputRange = Annotated[
    str | None,
    typer.Option(
        metavar="0-1|0-255", help="The pixels your model was trained on; default: judged by its first layers."
    ),
]


def compress(
    model: Model,
    data: o.Data = None,
    image_size: o.ImageSize = None,
    skip_bad: o.SkipBad = False,
    recipe: o.RecipeFile = None,
    set_: o.Settings = None,
    prune: Prune = None,
    prune_channels: PruneChannels = None,
    quantize: Quantize = None,
    calibration: Calibration = None,
    io: Io = None,
    logits_output: LogitsOutput = False,
    waveform: Waveform = False,
    target: o.Target = None,
    gate: GateOption = None,
    max_drop: MaxDrop = None,
    input_range: InputRange = None,
    seed: o.Seed = None,
    out: Annotated[Path | None, typer.Option(help="The folder to write; default: runs/<model>-<precision>.")] = None,
    force: o.Force = False,
    junit: Junit = None,
    summary_file: Summary = None,
    as_json: o.Json = False,
) -> None:
    """Prune and quantize a Keras model of your own, and measure what that did to it on your data."""
    from edgekit import recipe as recipes

    if input_range is not None and input_range not in _RANGES:
        raise UsageError(f"--input-range is 0-1 or 0-255, found {input_range!r}.")
    values = reading(image_size, skip_bad) | {
        "data.spec": resolved(data),
        "pruning.sparsity": prune,
        "pruning.channels": prune_channels,
        "quantization.precision": quantize,
        "quantization.calibration": resolved(calibration),
        "quantization.io": io,
        "quantization.output": "logits" if logits_output else None,
        "quantization.waveform": waveform or None,
        "bench.targets": target or None,
        "gates": gate or None,
        "max_drop": max_drop,
        "seed": seed,
    }
    with outlets("compress", str(model), gate or (), junit, summary_file) as told:
        asked = recipes.load(recipe, set_ or [], values)
        told.add(unjudged=asked.gates)
        from edgekit import compressing

        folder = out or Path("runs") / f"{model.stem}-{asked.quantization.precision}"
        ranged: Any = input_range
        try:
            with Console() as reporter:
                report = compressing.compress(asked, model, folder, input_range=ranged, force=force, reporter=reporter)
        except (GateNotMet, TargetError) as missed:
            if isinstance(missed.report, Report):
                _print(missed.report.document, folder, as_json)
            raise
        _print(report.document, folder, as_json)
        told.report(report)


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
