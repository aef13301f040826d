"""edgekit predict: labels for images, clips, a table of pixels or an array."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from edgekit.cli.console import Console
from edgekit.cli.options import InputRange, Json
from edgekit.cli.signature import taking
from edgekit.errors import UsageError

if TYPE_CHECKING:
    from edgekit.inference.predict import Prediction

PREDICTIONS = "Predictions"

Model = Annotated[
    Path, typer.Argument(metavar="FILE", help="A .tflite or .onnx classifier, a run folder, a product or a bundle.")
]
Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT", help="Images or clips, folders of them, a CSV of pixels or paths, an .npz or an IDX file."
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File of class names, one per line. By default those beside the model.",
        rich_help_panel=PREDICTIONS,
    ),
]
Top = Annotated[
    int, typer.Option(metavar="N", min=1, help="Number of top classes to print.", rich_help_panel=PREDICTIONS)
]
Out = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write a CSV file instead of printing.", rich_help_panel=PREDICTIONS)
]
Kaggle = Annotated[
    bool,
    typer.Option(
        "--kaggle",
        help="For one CSV of pixels: write ImageId,Label, the format of a Kaggle submission.",
        rich_help_panel=PREDICTIONS,
    ),
]
Calibrated = Annotated[
    bool,
    typer.Option(
        "--calibrated",
        help="Scale the probabilities with the temperature from the model's metadata.json.",
        rich_help_panel=PREDICTIONS,
    ),
]


@taking("data.skip_bad")
def predict(
    file: Model,
    inputs: Inputs,
    values: Mapping[str, Any],
    labels: Labels = None,
    top: Top = 1,
    out: Out = None,
    kaggle: Kaggle = False,
    calibrated: Calibrated = False,
    input_range: InputRange = "0-1",
    as_json: Json = False,
) -> None:
    """Label images or clips with a model file: input,label,probability."""
    from edgekit.inference import inputs as kinds
    from edgekit.inference import predict as predicting

    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise UsageError(f"--out {out}: expected a file in a folder that exists.")
    kinds.check(inputs)
    if kaggle and (len(inputs) > 1 or not kinds.is_table(inputs[0]) or top > 1 or (as_json and out is None)):
        raise UsageError("--kaggle is for one CSV of pixels, with one label per row; leave the other options out.")
    with Console() as reporter:
        classifier = predicting.load(file, labels, calibrated=calibrated, input_range=input_range)  # type: ignore[arg-type]
        predictions = predicting.run(
            classifier, inputs, min(top, len(classifier.classes)), reporter, skip_bad=bool(values["data.skip_bad"])
        )
        source = {"artifact": str(classifier.artifact.path), "sha256": classifier.artifact.sha256}
        if as_json and out is None:
            rows = [{"input": each.input, "top": [_pair(pair) for pair in each.top]} for each in predictions]
            typer.echo(json.dumps({**source, "predictions": rows}, indent=2))
            return
        with _written(out) if out else contextlib.nullcontext(sys.stdout) as stream:
            count = _write(predictions, stream, min(top, len(classifier.classes)), kaggle)
    if out is not None:
        typer.echo(
            json.dumps({**source, "n": count, "out": str(out)}, indent=2)
            if as_json
            else f"{count:,} predictions: {out}"
        )


def _pair(pair: tuple[str, float]) -> dict[str, str | float]:
    return {"label": pair[0], "probability": round(pair[1], 6)}


def _write(predictions: Iterable[Prediction], stream: TextIO, top: int, kaggle: bool) -> int:
    """Write the rows as they come; returns how many."""
    writer = csv.writer(stream, lineterminator="\n")
    numbers = [""] + [f"_{place}" for place in range(2, top + 1)]
    names = [name + number for number in numbers for name in ("label", "probability")]
    count = 0
    for count, each in enumerate(predictions, 1):
        if count == 1:  # with the first row, so that an error before it leaves nothing behind
            writer.writerow(["ImageId", "Label"] if kaggle else ["input", *names])
        if kaggle:
            writer.writerow([count, each.top[0][0]])
        else:
            values = [value for label, p in each.top for value in (label, f"{p:.6f}")]
            writer.writerow([each.input, *values])
    return count


@contextlib.contextmanager
def _written(path: Path) -> Iterator[TextIO]:
    """A file that gets its name only once it is completely written."""
    from edgekit.runs.files import disk_errors

    handle, temporary = tempfile.mkstemp(dir=path.absolute().parent, prefix=".edgekit-partial-")
    try:
        with disk_errors(path), os.fdopen(handle, "w", newline="", encoding="utf-8") as stream:
            yield stream
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
