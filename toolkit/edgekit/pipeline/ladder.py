"""`--quantize auto`: the cheapest way to int8 that keeps the accuracy, judged on validation by the file that would ship.

The rungs, in order: calibration (post-training quantization); more calibration samples with ranges from percentiles (through
the fake-quantized twin); the layers that add most noise left in float, one more at a time (precision "int8-mixed"; float32
input and output whatever quantization.io says, and a scale per channel); quantization-aware training. The first whose drop of
validation accuracy is within the demand ships.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgekit.data.splits import clips_of
from edgekit.errors import ExportError, GateNotMet, TrainingError, UsageError
from edgekit.export import shrink, stage
from edgekit.export.write import write
from edgekit.inference import litert
from edgekit.inference.evaluate import judged
from edgekit.pipeline.rungs import Rung, Rungs
from edgekit.recipe import Recipe
from edgekit.runs.code import code_digest
from edgekit.runs.environment import versions
from edgekit.types import Dataset, Reporter, Split

DEFAULT_MAX_DROP = 0.3
# A drop that is fewer samples than this is as likely luck.
LEAST_SAMPLES = 5
FACTS = "ladder.json"
_NAME = "model_int8.tflite"
_NOT_POSSIBLE = (ExportError, TrainingError, GateNotMet)


T = TypeVar("T")


def key(recipe: Recipe, model_key: str, samples: str) -> dict[str, Any]:
    """Everything that decides what the ladder comes to, for the stage cache. `model_key` names the stage that made the model."""
    return stage.key(recipe, "int8", model_key, samples) | {
        "ladder": code_digest(__name__),
        "section": recipe.quantization.model_dump(mode="json"),
        "max_drop": demand_of(recipe),
        "batch_size": recipe.training.batch_size,
        "tools": versions("tf-keras", "tensorflow-model-optimization"),
    }


def check(recipe: Recipe, dataset: Dataset, *, force: bool = False) -> None:
    """Refuse a demand that the validation samples cannot judge: less than 5 of them, so 500 / n percentage points.

    Raises:
        UsageError: unless `force`.
    """
    n, demand = len(clips_of(dataset.val)[0]), demand_of(recipe)
    least = 100 * LEAST_SAMPLES / n
    if demand < least and not force:
        raise UsageError(
            f"--max-drop {demand:g} cannot be judged on {n:,} validation samples: one is {100 / n:.3g} points and fewer than"
            f" {LEAST_SAMPLES} ({least:.3g} points) are noise. Give --max-drop {least:.3g} or more, a larger data.val_fraction,"
            " or --force."
        )


def climb(
    recipe: Recipe,
    dataset: Dataset,
    kept: Split,
    weights: NDArray[np.float32] | None,
    model: Any,
    float_file: Path,
    folder: Path,
    reporter: Reporter,
    *,
    force: bool = False,
) -> dict[str, Any]:
    """Try the rungs until one holds `recipe.max_drop` (0.3 points, if none is given); leave its files in `folder`.

    Args:
        kept: the curated training set; weights: (n,) of its samples' loss, for quantization-aware training, or None.
        model: of Keras 3 or tf_keras, gives probabilities. float_file: the float32 .tflite which the drop is counted from.
        folder: takes model_int8.tflite (and .onnx), export.json as the export stage leaves it, and ladder.json.

    Returns:
        The content of ladder.json: n, resolution_points, max_drop, float_accuracy, rungs (name, val_accuracy, drop, bytes,
        seconds, passed, detail, or why it could not be made), shipped (a rung's name), passed.

    Raises:
        UsageError: the demand is finer than validation resolves.
        ExportError: no rung could be made and written.
        GateNotMet: no rung holds it; the files of the best one, export.json and ladder.json are in `folder` all the same.
    """
    check(recipe, dataset, force=force)
    with tempfile.TemporaryDirectory(prefix="edgekit-ladder-") as temporary:
        rungs = Rungs(recipe, dataset, kept, weights, model, Path(temporary), reporter)
        facts = _Ladder(rungs).run(float_file, folder)
    demand(facts)
    return facts


def read(folder: Path) -> Mapping[str, Any]:
    """The content of ladder.json, for report.json."""
    facts: dict[str, Any] = json.loads((folder / FACTS).read_text())
    return facts


def demand(facts: Mapping[str, Any]) -> None:
    """Raise GateNotMet if the ladder that `facts` (ladder.json) tells of found nothing that holds."""
    if not facts["passed"]:
        best = next(row for row in facts["rungs"] if row["name"] == facts["shipped"])
        raise GateNotMet(
            f"No quantization keeps within {facts['max_drop']:g} points of the float file on {facts['n']:,} validation samples;"
            f" the best, {best['name']}, loses {best['drop']:.2f}. Allow a larger --max-drop or train a wider student."
        )


def demand_of(recipe: Recipe) -> float:
    return DEFAULT_MAX_DROP if recipe.max_drop is None else recipe.max_drop


def best_written(others: Sequence[tuple[dict[str, Any], T]], write: Callable[[T], None]) -> str | None:
    """Write the rung of the least drop that can be written; an earlier one, if two lose as much.

    Args:
        others: (row, what `write` takes) of rungs; the row of one that could not be written gets its "error".

    Returns:
        The row's name, or None if none could be written.
    """
    for row, rung in sorted(others, key=lambda pair: float(pair[0]["drop"])):
        try:
            write(rung)
            return str(row["name"])
        except _NOT_POSSIBLE as error:
            row["error"] = str(error)
    return None


class _Ladder:
    """One climb: what every rung needs, and the rows of those tried."""

    def __init__(self, rungs: Rungs) -> None:
        self.rungs, self.recipe, self.section, self.dataset = rungs, rungs.recipe, rungs.section, rungs.dataset
        self.temporary, self.reporter, self.x = rungs.temporary, rungs.reporter, rungs.x
        self.rows: list[dict[str, Any]] = []

    def run(self, float_file: Path, folder: Path) -> dict[str, Any]:
        n, allowed = len(clips_of(self.dataset.val)[0]), demand_of(self.recipe)
        exact = self._accuracy(float_file)
        self.reporter.note(
            f"ladder: float val accuracy {exact:.4f} on {n:,} samples (one is {100 / n:.3g} points), allowed drop {allowed:g}"
        )
        # What does not hold but could ship if nothing does.
        others: list[tuple[dict[str, Any], Rung]] = []
        shipped = None
        for name, make in self.rungs.each(self.rows):
            start, row = time.perf_counter(), {"name": name, "passed": False}
            self.rows.append(row)
            try:
                rung = make()
                file = self.temporary / _NAME
                file.write_bytes(shrink.shrink(rung.content) if self.section.shrink else rung.content)
                accuracy = self._accuracy(file)
                # Rounded as the gate does, so that exactly half a point is half a point.
                drop = round(100 * (exact - accuracy), 6)
                size = file.stat().st_size
                row |= {
                    "val_accuracy": accuracy,
                    "drop": drop,
                    "bytes": size,
                    "detail": dict(rung.detail),
                }
                if drop <= allowed and size <= rung.most_bytes:
                    self._write(rung, folder)
                    row["passed"], shipped = True, name
                elif size <= rung.most_bytes:
                    others.append((row, rung))
            except _NOT_POSSIBLE as error:
                row["error"] = str(error)
            row["seconds"] = round(time.perf_counter() - start, 2)
            self.reporter.note(_progress_line(row))
            if shipped is not None:
                break
        if shipped is None:
            shipped = best_written(others, lambda rung: self._write(rung, folder))
        if shipped is None:
            reasons = "; ".join(f"{row['name']}: {row.get('error', 'the file is too large')}" for row in self.rows)
            raise ExportError(f"No way to int8 was possible: {reasons}")
        facts = {
            "n": n,
            "resolution_points": 100 / n,
            "max_drop": allowed,
            "float_accuracy": exact,
            "rungs": self.rows,
            "shipped": shipped,
            "passed": any(row["passed"] for row in self.rows),
        }
        (folder / FACTS).write_text(json.dumps(facts))
        return facts

    def _accuracy(self, file: Path) -> float:
        val = self.dataset.val
        _, labels, outputs = judged(val, litert.outputs(file, val.x), self.section.output)
        return float((outputs.argmax(axis=1) == labels).mean())

    def _write(self, rung: Rung, folder: Path) -> None:
        expected = None if rung.model is None else stage.fake_quantized_probabilities(rung.model, self.x)
        facts = write(
            rung.content,
            rung.precision,
            folder,
            section=self.section,
            x=self.x,
            reporter=self.reporter,
            expected=expected,
            float_file=rung.float_file,
            calibration=rung.calibration,
        )
        (folder / stage.FACTS).write_text(json.dumps(facts))


def _progress_line(row: Mapping[str, Any]) -> str:
    if "error" in row:
        return f"ladder: {row['name']}: not possible: {row['error']}"
    return (
        f"ladder: {row['name']}: val accuracy {row['val_accuracy']:.4f}, drop {row['drop']:.2f} points, {row['bytes']:,} bytes,"
        f" {row['seconds']:.1f} s: {'holds' if row['passed'] else 'does not hold'}"
    )
