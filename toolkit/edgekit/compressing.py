"""compress(recipe, model file) -> report: a user's own model, pruned, quantized, exported, and measured on the user's data.

As a build does it, less curation and training: the float file and the compressed one come from the same model, and every
number is read from the files. What did not improve is said beside what did.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edgekit import backend, data
from edgekit.bench import litert
from edgekit.bench.evaluate import evaluate, load_predictions
from edgekit.bench.standalone import artifact_of
from edgekit.compression import prune, qat, user_model
from edgekit.environment import environment
from edgekit.evidence.comparisons import compare
from edgekit.export import calibration, tflite
from edgekit.export.metadata import labels_txt, metadata
from edgekit.recipe import Recipe
from edgekit.stages import Stages
from edgekit.store import RunFolder
from edgekit.types import Artifact, Dataset, Evaluation, Reporter, Silent

SCHEMA = 1
_CALIBRATED = ("int8", "int16x8")


def compress(
    recipe: Recipe,
    model_path: Path,
    out: Path,
    *,
    input_range: user_model.InputRange | None = None,
    force: bool = False,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Compress the model at `model_path` as recipe.pruning and recipe.quantization say, into the folder `out`.

    Leaves artifacts/*.tflite, models/*.keras, evaluation/*, report.json and manifest.json.

    Returns:
        The content of report.json.

    Raises:
        EdgekitError: see edgekit.errors; a folder that holds something is refused without `force`.
    """
    stages = Stages(reporter or Silent())
    with stages.timed("data", "Data"):
        dataset = data.load_section(recipe.data, recipe.seed)
        stages.reporter.note(f"{dataset.source}: {len(dataset.train):,} train, {len(dataset.test):,} test")
    with stages.timed("model", "Model"):
        keras = backend.load("tensorflow")
        backend.seed(keras, recipe.seed, deterministic=recipe.deterministic)
        user = user_model.load(model_path, dataset, input_range)
        for note in user.notes:
            stages.reporter.note(note)
    folder = RunFolder.open(out, force=force, status="running", recipe=recipe.to_yaml(), **environment())
    try:
        document = _Compression(recipe, dataset, user, folder, stages).run(model_path)
        folder.save_manifest(status="complete")
        return document
    finally:
        folder.close()


class _Compression:
    """One compression: its recipe, data and folder."""

    def __init__(
        self, recipe: Recipe, dataset: Dataset, user: user_model.UserModel, folder: RunFolder, stages: Stages
    ) -> None:
        self.recipe, self.dataset, self.user = recipe, dataset, user
        self.folder, self.stages, self.reporter = folder, stages, stages.reporter
        self.facts: dict[str, Any] = {}

    def run(self, model_path: Path) -> dict[str, Any]:
        section = self.recipe.quantization
        model = self.user.model
        # Before pruning, which works in place.
        artifacts = [self._write(model, "float32", "model_float32.tflite")]
        if self.recipe.pruning.sparsity:
            self._prune(model)
        precision, shipped = section.precision, model
        if precision == "int8-qat":
            precision, shipped = "int8", self._qat(model)
        if precision != "float32":
            artifacts.append(self._write(shipped, precision, f"model_{precision}.tflite"))
        elif self.recipe.pruning.sparsity:
            artifacts.append(self._write(model, "float32", "model_float32_pruned.tflite"))
        evaluations = self._evaluate(artifacts)
        document = self._document(model_path, artifacts, evaluations)
        self.folder.write("artifacts/labels.txt", labels_txt(self.dataset))
        self.folder.write_json("artifacts/metadata.json", metadata(self.dataset, artifacts))
        self.folder.write_json("report.json", document)
        return document

    def _prune(self, model: Any) -> None:
        recipe = self.recipe
        with self.stages.timed("pruning", f"Pruning to {recipe.pruning.sparsity:.0%} zeros"):
            losses = prune.prune(
                model,
                self.dataset.train,
                recipe.pruning,
                batch_size=recipe.training.batch_size,
                seed=recipe.seed,
                reporter=self.reporter,
            )
            name = "model_pruned.keras" if self.user.framework == "keras" else "model_pruned.tfkeras.keras"
            self._save(model, name)
            self.facts["pruning"] = {"loss": losses, "layers": prune.layer_sparsity(model)}

    def _qat(self, model: Any) -> Any:
        recipe = self.recipe
        with self.stages.timed("qat", f"Quantization-aware training, {recipe.quantization.qat_epochs} epochs"):
            made = qat.quantize_aware(
                model,
                self.dataset.train,
                recipe.quantization,
                batch_size=recipe.training.batch_size,
                seed=recipe.seed,
                reporter=self.reporter,
                sparse=bool(recipe.pruning.sparsity),
            )
            self._save(made, "model_qat.tfkeras.keras")
            self.facts["qat"] = {"loss": made.edgekit_losses, "sparsity": qat.kernel_sparsity(made)}
        return made

    def _save(self, model: Any, name: str) -> None:
        partial = self.folder.path / "models" / f".edgekit-partial-{name}"
        partial.parent.mkdir(exist_ok=True)
        model.save(partial)
        self.folder.adopt(partial, f"models/{name}")
        partial.unlink()

    def _write(self, model: Any, precision: str, name: str) -> Artifact:
        recipe = self.recipe
        with self.stages.timed(f"export_{name}", f"Export {precision}"):
            facts: Mapping[str, Any] = {}
            samples = None
            if precision in _CALIBRATED and not tflite.is_quantization_aware(model):
                chosen = calibration.choose(recipe.quantization, self.dataset, self.dataset.train, recipe.seed)
                samples, facts = chosen.samples, {"calibration": dict(chosen.facts)}
                for warning in chosen.facts["warnings"]:
                    self.reporter.warn(warning)
            content = tflite.convert(
                model,
                precision,
                io=recipe.quantization.io,
                calibration=samples,
                per_channel=recipe.quantization.per_channel,
            )
            path = self.folder.write(f"artifacts/{name}", content)
        artifact = dataclasses.replace(
            artifact_of(path),
            precision=precision,
            params=int(self.user.model.count_params()),
            sparsity=litert.sparsity(path),
            facts=facts,
        )
        self.reporter.note(f"{name}: {artifact.size_bytes:,} bytes ({artifact.gzip_bytes:,} after gzip)")
        return artifact

    def _evaluate(self, artifacts: Sequence[Artifact]) -> list[Evaluation]:
        evaluations = []
        with self.stages.timed("evaluation", "Evaluation of the files"):
            for artifact in artifacts:
                for name, split in (("val", self.dataset.val), ("test", self.dataset.test)):
                    stem = f"evaluation/{artifact.name}" + ("" if name == "test" else f".{name}")
                    found, predictions = evaluate(artifact, split, name, self.folder.path / f"{stem}.predictions.npz")
                    self.folder.write(f"{stem}.predictions.npz", predictions)
                    row = dataclasses.asdict(found) | {"predictions": f"{stem}.predictions.npz"}
                    self.folder.write_json(f"{stem}.json", row)
                    evaluations.append(found)
        return evaluations

    def _document(
        self, model_path: Path, artifacts: Sequence[Artifact], evaluations: Sequence[Evaluation]
    ) -> dict[str, Any]:
        first, last = artifacts[0], artifacts[-1]
        comparisons = []
        if last is not first:
            one, two = (
                load_predictions(self.folder.path / f"evaluation/{a.name}.predictions.npz") for a in (last, first)
            )
            comparisons.append(compare("quantization", last.name, one, first.name, two))
        document = {
            "schema": SCHEMA,
            "run": {
                "name": self.folder.path.name,
                "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "shipped": last.name,
                **environment(),
            },
            "recipe": self.recipe.model_dump(mode="json"),
            "dataset": {
                "name": self.dataset.name,
                "source": self.dataset.source,
                "fingerprint": self.dataset.fingerprint,
                "classes": list(self.dataset.classes),
                "input_shape": list(self.dataset.input.shape),
                "preprocessing": self.dataset.input.preprocessing,
                "sizes": {part: len(getattr(self.dataset, part)) for part in ("train", "val", "cal", "test")},
            },
            "model": {
                "file": model_path.name,
                "framework": self.user.framework,
                "keras_version": self.user.keras_version,
                "input_range": self.user.input_range,
                "notes": list(self.user.notes),
            },
            "compression": self.facts,
            "artifacts": [dataclasses.asdict(a) | {"path": f"artifacts/{a.name}"} for a in artifacts],
            "evaluations": [
                dataclasses.asdict(row)
                | {"predictions": f"evaluation/{row.predictions.name}" if row.predictions else None}
                for row in evaluations
            ],
            "measurements": [],
            "comparisons": comparisons,
            "not_improved": not_improved(artifacts, evaluations),
            "gates": [],
            "timings": dict(self.stages.timings),
        }
        plain: dict[str, Any] = json.loads(json.dumps(document, allow_nan=False, default=str))
        return plain


def not_improved(artifacts: Sequence[Artifact], evaluations: Sequence[Evaluation]) -> list[str]:
    """What the last file is not better in than the first, one sentence each."""
    first, last = artifacts[0], artifacts[-1]
    if first is last:
        return ["nothing was compressed: the float32 file is the only one"]
    rows = {row.artifact: row for row in evaluations if row.split == "test"}
    before, after = rows[first.name], rows[last.name]
    told = []
    if last.size_bytes >= first.size_bytes:
        told.append(f"the file is not smaller: {last.size_bytes:,} bytes against {first.size_bytes:,}")
    if last.gzip_bytes >= first.gzip_bytes:
        told.append(f"nor after gzip: {last.gzip_bytes:,} bytes against {first.gzip_bytes:,}")
    if after.accuracy < before.accuracy:
        points = 100 * (before.accuracy - after.accuracy)
        told.append(f"accuracy fell by {points:.2f} points on {after.n:,} test images")
    told.append("latency was not measured: `edgekit bench` times the files")
    return told
