"""compress(recipe, model file) -> report: a user's own model, pruned, quantized, exported, and measured on the user's data.

As a build does it, less curation and the training of a network: the float file and the compressed ones come from the same
model, and every number is read from the files. What did not improve is said beside what did.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edgekit import backend, data
from edgekit.bench.evaluate import evaluate, load_predictions
from edgekit.bench.measure import measure, slug
from edgekit.compression import channels_stage, prune, qat, user_model, user_report
from edgekit.compression.opened import opened
from edgekit.data.pixels import to_float
from edgekit.environment import environment
from edgekit.errors import ExportError, GateNotMet, UsageError
from edgekit.evidence import gates
from edgekit.evidence.comparisons import compare
from edgekit.export import stage as exporting
from edgekit.export.metadata import labels_txt, metadata
from edgekit.recipe import Recipe, TrainingSection, differences
from edgekit.stages import Stages
from edgekit.store import RunFolder
from edgekit.training.stage import weights_of
from edgekit.types import Artifact, Dataset, Evaluation, Measurement, Report, Reporter, Silent

_NOT_READ = ("curation", "distillation", "student", "teacher", "training", "control", "backend")
# Of `training`, by the fine-tuning of pruning and of quantization-aware training.
_READ = ("training.batch_size", "training.class_weights")


def check(recipe: Recipe) -> None:
    """Refuse what only a build does.

    Raises:
        UsageError: values that differ from the defaults and that nothing here reads, all of them named.
    """
    read = set(_READ)
    if recipe.pruning.channels:
        tuning = channels_stage.section(recipe)
        names = [n for n in TrainingSection.model_fields if getattr(tuning, n) == getattr(recipe.training, n)]
        read.update(f"training.{name}" for name in names)
    given = [key for key in differences(recipe, Recipe()) if key.split(".")[0] in _NOT_READ and key not in read]
    if given:
        raise UsageError(
            f"compress does not read {', '.join(given)}: it trains no network anew and curates nothing. Leave them out, or use"
            " `edgekit build`; pruning.* and quantization.qat_* say how long the model is fine-tuned."
        )


def compress(
    recipe: Recipe,
    model_path: Path,
    out: Path,
    *,
    input_range: user_model.InputRange | None = None,
    force: bool = False,
    reporter: Reporter | None = None,
) -> Report:
    """Compress the model at `model_path` as recipe.pruning and recipe.quantization say, into the folder `out`.

    Leaves artifacts/*, models/*.keras, evaluation/*, bench/*, report.json and manifest.json. Gates and max_drop judge the last
    .tflite on val; the drop is counted from the float32 file of the model as it was given, so that pruning counts too.

    Args:
        force: replace what an earlier run left in `out`, and let the quantization ladder judge a drop that val is too small for.

    Raises:
        EdgekitError: see edgekit.errors; GateNotMet only after the report was written.
    """
    check(recipe)
    for demand in recipe.gates:
        gates.parse(demand)
    stages = Stages(reporter or Silent())
    with stages.timed("data", "Data"):
        dataset = data.load_section(recipe.data, recipe.seed)
        stages.reporter.note(f"{dataset.source}: {len(dataset.train):,} train, {len(dataset.test):,} test")
        if recipe.quantization.precision == "auto":
            from edgekit import ladder

            ladder.check(recipe, dataset, force=force)
    with stages.timed("model", "Model"):
        keras = backend.load("tensorflow")
        backend.seed(keras, recipe.seed, deterministic=recipe.deterministic)
        user = user_model.load(model_path, dataset, input_range)
        for note in user.notes:
            stages.reporter.note(note)
        if recipe.pruning.channels:
            if user.framework != "keras":
                raise ExportError(
                    f"Channels are pruned in models of Keras 3 without random augmentation in them; {model_path} is none."
                )
            user = dataclasses.replace(user, model=opened(keras, user.model))
    folder = RunFolder.open(out, force=force, status="running", recipe=recipe.to_yaml(), **environment())
    try:
        with tempfile.TemporaryDirectory(prefix="edgekit-compress-") as work:
            report = _Compression(recipe, dataset, user, folder, stages, Path(work)).run(model_path, lenient=force)
        folder.save_manifest(status="complete")
    finally:
        folder.close()
    if missed := [gate for gate in report.document["gates"] if not gate["met"]]:
        named = "; ".join(f"{gate['demand']} (found {gate['found']} on {gate['where']})" for gate in missed)
        raise GateNotMet(f"Gate not met: {named}. The report is in {out}.", report)
    return report


class _Compression:
    """One compression: its recipe, data and folder, the model as it is after each step, and what was made of it so far."""

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        user: user_model.UserModel,
        folder: RunFolder,
        stages: Stages,
        work: Path,
    ) -> None:
        self.recipe, self.dataset, self.user = recipe, dataset, user
        self.folder, self.stages, self.reporter, self.work = folder, stages, stages.reporter, work
        self.model, self.macs = user.model, user.macs
        self.weights = weights_of(dataset.train.y, None, recipe.training)
        self.artifacts: list[Artifact] = []
        self.facts: dict[str, Any] = {"files": {}}
        self.parity: dict[str, Any] = {}

    def run(self, model_path: Path, *, lenient: bool) -> Report:
        recipe, precision = self.recipe, self.recipe.quantization.precision
        self._export(self.model, "float32")  # before pruning, which works in place
        if recipe.pruning.channels:
            self._remove_channels()
        if recipe.pruning.sparsity:
            self._prune()
        if precision == "auto":
            self._climb(lenient)
        elif precision == "int8-qat":
            self._export(self._quantization_aware(), precision)
        elif precision != "float32":
            self._export(self.model, precision)
        elif recipe.pruning.sparsity or recipe.pruning.channels:
            self._export(self.model, precision, "_pruned")
        evaluations = self._evaluate()
        measurements = self._bench()
        shipped = exporting.shipped(self.artifacts)
        self.folder.write("artifacts/labels.txt", labels_txt(self.dataset))
        self.folder.write_json("artifacts/metadata.json", metadata(self.dataset, self.artifacts))
        document = user_report.document(
            run=self.folder.path.name,
            recipe=recipe,
            dataset=self.dataset,
            user=self.user,
            model_path=model_path,
            compression=self.facts,
            shipped=shipped,
            artifacts=self.artifacts,
            evaluations=evaluations,
            measurements=measurements,
            comparisons=self._compare(shipped),
            gates=gates.check(recipe.gates, self._max_drop(), shipped, evaluations, measurements),
            parity=self.parity,
            timings=self.stages.timings,
        )
        return Report(path=self.folder.write_json("report.json", document).parent, document=document)

    def _max_drop(self) -> float | None:
        if self.recipe.quantization.precision != "auto":
            return self.recipe.max_drop
        from edgekit.ladder import demand_of

        return demand_of(self.recipe)

    def _remove_channels(self) -> None:
        recipe, into = self.recipe, self._into("channels")
        with self.stages.timed("channel_pruning", f"Removing {recipe.pruning.channels:.0%} of the channels"):
            given = into / "given.keras"
            self.model.save(given)
            channels_stage.run(recipe, self.dataset.train, self.dataset.val, self.weights, given, into, self.reporter,
                               mirrored=self.dataset.input.mirrored)  # fmt: skip
            made = self.folder.adopt(into / "student_pruned.keras", "models/model_pruned.keras")
            facts = json.loads((into / "pruning.json").read_text())
            self.facts["channel_pruning"] = facts
            self.model, self.macs = exporting.keras_model(made), facts["macs"]["after"]

    def _prune(self) -> None:
        recipe = self.recipe
        with self.stages.timed("pruning", f"Pruning to {recipe.pruning.sparsity:.0%} zeros"):
            losses = prune.prune(
                self.model,
                self.dataset.train,
                recipe.pruning,
                batch_size=recipe.training.batch_size,
                seed=recipe.seed,
                reporter=self.reporter,
                weights=self.weights,
            )
            name = "model_pruned.keras" if self.user.framework == "keras" else "model_pruned.tfkeras.keras"
            self._save(self.model, name)
            self.facts["pruning"] = {"loss": losses, "layers": prune.layer_sparsity(self.model)}

    def _quantization_aware(self) -> Any:
        recipe = self.recipe
        with self.stages.timed("qat", f"Quantization-aware training, {recipe.quantization.qat_epochs} epochs"):
            made = qat.quantize_aware(
                self.model,
                self.dataset.train,
                recipe.quantization,
                batch_size=recipe.training.batch_size,
                seed=recipe.seed,
                reporter=self.reporter,
                sparse=bool(recipe.pruning.sparsity),
                weights=self.weights,
            )
            self._save(made, "model_qat.tfkeras.keras")
            self.facts["qat"] = {"loss": made.edgekit_losses, "sparsity": qat.kernel_sparsity(made)}
        return made

    def _save(self, model: Any, name: str) -> None:
        path = self._into("models") / name
        model.save(path)
        self.folder.adopt(path, f"models/{name}")

    def _into(self, name: str) -> Path:
        path = self.work / name
        path.mkdir(exist_ok=True)
        return path

    def _export(self, model: Any, precision: str, ending: str = "") -> None:
        section, into = self.recipe.quantization, self._into(f"export_{precision}{ending}")
        ranges = None
        if section.ranges == "percentile" and precision == "int8":
            ranges = partial(qat.calibrated, percentile=qat.PERCENTILE, per_channel=section.per_channel)
        with self.stages.timed(into.name, f"Export {precision}"):
            exporting.of_model(self.recipe, precision, self.dataset, self.dataset.train, model, into,
                               reporter=self.reporter, with_ranges=ranges, demand_onnx=False)  # fmt: skip
            self._adopt(into, ending)

    def _climb(self, lenient: bool) -> None:
        from edgekit import ladder

        into, exact = self._into("ladder"), self.folder.path / "artifacts" / "model_float32.tflite"
        with self.stages.timed("ladder", "Quantization ladder"):
            try:
                ladder.climb(self.recipe, self.dataset, self.dataset.train, self.weights, self.model, exact, into,
                             self.reporter, force=lenient)  # fmt: skip
            except GateNotMet:
                if not (into / "ladder.json").exists():
                    raise  # not the ladder's verdict, which the report tells before the run ends with it
            self.facts["ladder"] = json.loads((into / "ladder.json").read_text())
            self._adopt(into)

    def _adopt(self, into: Path, ending: str = "") -> None:
        """Take the files of an export into the run, "_pruned" in their names if that is their `ending`."""
        facts = json.loads((into / "export.json").read_text())
        names = {name: f"{Path(name).stem}{ending}{Path(name).suffix}" for name in facts["files"]}
        params = int(self.model.count_params())
        for name, kept in names.items():
            path = self.folder.adopt(into / name, f"artifacts/{kept}")
            artifact = exporting.artifact(path, facts, params=params, macs=self.macs or 0)
            self.artifacts.append(artifact)
            self.reporter.note(f"{kept}: {artifact.size_bytes:,} bytes ({artifact.gzip_bytes:,} after gzip)")
        self.facts["files"][names[facts["files"][0]]] = exporting.told(facts)
        self.parity |= {names[name]: checks for name, checks in facts["parity"].items()}

    def _evaluate(self) -> list[Evaluation]:
        evaluations = []
        with self.stages.timed("evaluation", "Evaluation of the files"):
            for artifact in self.artifacts:
                for name, split in (("val", self.dataset.val), ("test", self.dataset.test)):
                    stem = f"evaluation/{artifact.name}" + ("" if name == "test" else f".{name}")
                    found, predictions = evaluate(artifact, split, name, self.folder.path / f"{stem}.predictions.npz")
                    self.folder.write(f"{stem}.predictions.npz", predictions)
                    row = dataclasses.asdict(found) | {"predictions": f"{stem}.predictions.npz"}
                    self.folder.write_json(f"{stem}.json", row)
                    evaluations.append(found)
        return evaluations

    def _bench(self) -> list[Measurement]:
        plan = self.recipe.bench
        if not plan.targets:
            return []
        with self.stages.timed("bench", f"Benchmark on {', '.join(plan.targets)}"):
            measurements = measure(self.artifacts, plan, to_float(self.dataset.val.x[:1]))
            for target in plan.targets:
                rows = [dataclasses.asdict(row) for row in measurements if row.target == target]
                self.folder.write_json(f"bench/{slug(target)}.json", {"target": target, "measurements": rows})
        return measurements

    def _compare(self, shipped: Artifact) -> Sequence[dict[str, Any]]:
        first = self.artifacts[0]
        if shipped is first:
            return []
        one, two = (
            load_predictions(self.folder.path / f"evaluation/{a.name}.predictions.npz") for a in (shipped, first)
        )
        return [compare("quantization", shipped.name, one, first.name, two)]
