"""One compression, step by step: prune, train quantization-aware, export, evaluate, measure, tell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.bench import stage as benching
from edgekit.bench.evaluate import load_predictions, predictions_of
from edgekit.bench.measure import Benched
from edgekit.compression import channels_stage, prune, qat, user_model, user_report
from edgekit.errors import GateNotMet
from edgekit.evidence import gates
from edgekit.evidence.comparisons import compare
from edgekit.export import stage as exporting
from edgekit.export import waveform
from edgekit.export.metadata import labels_txt, metadata
from edgekit.recipe import Recipe
from edgekit.stages import Stages
from edgekit.store import RunFolder
from edgekit.training.stage import weights_of
from edgekit.types import Artifact, Dataset, Evaluation, Report


class Compression:
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
        self.benched = Benched(measurements=[])

    def run(self, model_path: Path, *, lenient: bool) -> Report:
        """Take every step, and write report.json last.

        Args:
            lenient: let the quantization ladder judge a drop that val is too small for.

        Raises:
            EdgekitError: see edgekit.errors; neither a missed gate nor a target that failed (`benched` tells of those).
        """
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
        inside = waveform.add(recipe, self.dataset, exporting.shipped(self.artifacts), self.folder, self.stages)
        if inside:
            self.facts["waveform"] = dict(inside.facts)
        evaluations = self._evaluate()
        reliability = benching.reliable(self.artifacts, self.folder.path, self.recipe.operating.wanted, self.reporter)
        self._bench()
        measurements = self.benched.measurements
        shipped = exporting.shipped(self.artifacts)
        self.folder.write("artifacts/labels.txt", labels_txt(self.dataset))
        self.folder.write_json("artifacts/metadata.json", metadata(self.dataset, self.artifacts, reliability, inside))
        comparisons = self._compare(shipped)
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
            failures=self.benched.failures,
            comparisons=comparisons,
            gates=gates.check(
                recipe.gates, self._max_drop(), shipped, evaluations, measurements, comparisons, self.benched.failures
            ),
            reliability=reliability,
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
                               spec=self.dataset.input)  # fmt: skip
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
        with self.stages.timed("evaluation", "Evaluation of the files"):
            return benching.evaluate_files(self.artifacts, self.dataset, self.folder, self.reporter)

    def _bench(self) -> None:
        plan = self.recipe.bench
        if plan.targets:
            with self.stages.timed("bench", f"Benchmark on {', '.join(plan.targets)}"):
                self.benched = benching.bench(
                    self.artifacts, self.dataset, plan, self.folder, self.reporter, seed=self.recipe.seed
                )

    def _compare(self, shipped: Artifact) -> Sequence[dict[str, Any]]:
        first = self.artifacts[0]
        if shipped is first:
            return []
        rows, kinds = [], {"quantization": "test"} | ({} if self._max_drop() is None else {"max_drop": "val"})
        for kind, split in kinds.items():
            one, two = (load_predictions(self.folder.path / predictions_of(a.name, split)) for a in (shipped, first))
            rows.append(compare(kind, shipped.name, one, first.name, two, split=split))
        return rows
