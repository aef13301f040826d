"""The files of a build: each precision exported as a cached stage, described, and laid into the run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.curating import Curated
from edgekit.errors import GateNotMet
from edgekit.export import stage as exporting
from edgekit.export.metadata import labels_txt
from edgekit.modeling import Made, loss_weights
from edgekit.recipe import Recipe
from edgekit.recorded import inside
from edgekit.stages import Stages
from edgekit.store import RunFolder
from edgekit.types import Artifact, Dataset


def export(
    recipe: Recipe, dataset: Dataset, curated: Curated, made: Made, folder: RunFolder, stages: Stages, *, force: bool
) -> tuple[list[Artifact], dict[str, Any]]:
    """Write the float32 files and those of the recipe's precision into artifacts/.

    Args:
        force: let the ladder judge a demand that validation is too small for.

    Returns:
        The artifacts, the shipped .tflite last; and by file name what its export told (parity, layers, shrink, ...), the
        ladder's rungs under "ladder".

    Raises:
        ExportError: a conversion failed. GateNotMet: a file does not compute what the model does.
    """
    artifacts: list[Artifact] = []
    told: dict[str, Any] = {"parity": {}, "files": {}}
    for precision in dict.fromkeys(("float32", recipe.quantization.precision)):
        found = _exported(recipe, precision, dataset, curated, made, folder, stages, force=force)
        facts = json.loads((found / "export.json").read_text())
        told["parity"] |= facts["parity"]
        if precision == "auto":
            told["ladder"] = json.loads((found / "ladder.json").read_text())
        for name in facts["files"]:
            path = folder.adopt(inside(found, name, found / "export.json"), f"artifacts/{name}")
            artifacts.append(exporting.artifact(path, facts, params=made.student.params, macs=made.student.macs))
        told["files"][facts["files"][0]] = exporting.told(facts)
    folder.write("artifacts/labels.txt", labels_txt(dataset))
    for artifact in artifacts:
        stages.reporter.note(f"{artifact.name}: {artifact.size_bytes:,} bytes ({artifact.gzip_bytes:,} after gzip)")
    return artifacts, told


def _exported(
    recipe: Recipe,
    precision: str,
    dataset: Dataset,
    curated: Curated,
    made: Made,
    folder: RunFolder,
    stages: Stages,
    *,
    force: bool,
) -> Path:
    path, key, options = made.student.path, made.key, _options(recipe, precision, stages)
    if precision == "auto":
        from edgekit import ladder

        weights = loss_weights(recipe, curated)

        def climb(into: Path) -> None:
            float_file = folder.path / "artifacts" / "model_float32.tflite"
            try:
                model = exporting.keras_model(path)
                ladder.climb(
                    recipe, dataset, curated.train, weights, model, float_file, into, stages.reporter, force=force
                )
            except GateNotMet:
                if not (into / "ladder.json").exists():
                    raise  # not the ladder's verdict, which the report tells before the build ends with it

        return stages.cached("ladder", "Quantization ladder", ladder.key(recipe, key, curated.selection), climb)
    if precision == "int8-qat":
        assert made.aware is not None
        path, key = made.aware
    return stages.cached(
        f"export_{precision}",
        f"Export {precision}",
        exporting.key(recipe, precision, key, curated.selection),
        partial(exporting.run, recipe, precision, dataset, curated.train, path, **options),
    )


def _options(recipe: Recipe, precision: str, stages: Stages) -> Mapping[str, Any]:
    """What export takes from compression, which it may not import."""
    options: dict[str, Any] = {"reporter": stages.reporter}
    if precision == "int8-qat":
        from edgekit.compression.qat import load_tf_keras

        options["load"] = load_tf_keras
    if recipe.quantization.ranges == "percentile" and precision == "int8":
        from edgekit.compression.qat import PERCENTILE, calibrated

        options["with_ranges"] = partial(calibrated, percentile=PERCENTILE, per_channel=recipe.quantization.per_channel)
    return options
