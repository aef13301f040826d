"""edgekit compress: a Keras model of your own, smaller."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli import options as o
from edgekit.cli.build import Io, reading
from edgekit.cli.console import Console
from edgekit.errors import UsageError

_PRECISIONS = ("float32", "float16", "dynamic", "int8", "int8-qat", "int16x8")
_RANGES = ("0-1", "0-255")

Model = Annotated[Path, typer.Option("--model", metavar="FILE", help="A .keras or .h5 model of Keras 3 or tf_keras.")]
Prune = Annotated[float | None, typer.Option(help="Share of zero weights after magnitude pruning, e.g. 0.5.")]
Quantize = Annotated[str | None, typer.Option(help=f"One of: {', '.join(_PRECISIONS)}; default int8.")]
Calibration = Annotated[
    str | None, typer.Option(metavar="SPEC", help="Images to read int8 ranges from, labels not needed; default: train.")
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
    quantize: Quantize = None,
    calibration: Calibration = None,
    io: Io = None,
    input_range: InputRange = None,
    seed: o.Seed = None,
    out: Annotated[Path | None, typer.Option(help="The folder to write; default: runs/<model>-<precision>.")] = None,
    force: o.Force = False,
    as_json: o.Json = False,
) -> None:
    """Prune and quantize a Keras model of your own, and measure what that did to it on your data."""
    from edgekit import recipe as recipes
    from edgekit.errors import UnknownName

    if quantize is not None and quantize not in _PRECISIONS:
        raise UnknownName("precision for --quantize", quantize, _PRECISIONS)
    if input_range is not None and input_range not in _RANGES:
        raise UsageError(f"--input-range is 0-1 or 0-255, found {input_range!r}.")
    values = reading(image_size, skip_bad) | {
        "data.spec": str(Path(data).expanduser().resolve()) if data and Path(data).expanduser().exists() else data,
        "pruning.sparsity": prune,
        "quantization.precision": quantize,
        "quantization.calibration": calibration,
        "quantization.io": io,
        "seed": seed,
    }
    asked = recipes.load(recipe, set_ or [], values)
    if asked.quantization.precision not in _PRECISIONS:
        raise UsageError(f"compress takes --quantize {', '.join(_PRECISIONS)}, not {asked.quantization.precision!r}.")
    from edgekit import compressing

    folder = out or Path("runs") / f"{model.stem}-{asked.quantization.precision}"
    with Console() as reporter:
        ranged: Any = input_range
        document = compressing.compress(asked, model, folder, input_range=ranged, force=force, reporter=reporter)
    typer.echo(json.dumps(document, indent=2)) if as_json else _print(document, folder)


def _print(document: Mapping[str, Any], folder: Path) -> None:
    typer.echo(f"{'file':<26} {'bytes':>11} {'gzip':>11} {'zeros':>7} {'accuracy':>9} {'NLL':>8}")
    for artifact in document["artifacts"]:
        test = next(e for e in document["evaluations"] if e["artifact"] == artifact["name"] and e["split"] == "test")
        typer.echo(
            f"{artifact['name']:<26} {artifact['size_bytes']:>11,} {artifact['gzip_bytes']:>11,} "
            f"{artifact['sparsity']:>7.1%} {test['accuracy']:>9.4f} {test['nll']:>8.4f}"
        )
    for line in document["not_improved"]:
        typer.echo(f"not improved: {line}")
    typer.echo(f"report: {folder / 'report.json'}")
