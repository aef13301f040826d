"""build(recipe) -> Report: the only file that knows the order of the stages.

data -> teacher -> curate -> train -> prune -> export + parity -> evaluate -> bench -> control -> report. Each costly stage is
cached under everything that it depends on, so a change elsewhere, or a kill, costs only what really has to be done again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from edgekit import curating, data, report
from edgekit.bench.evaluate import evaluate, load_predictions
from edgekit.bench.measure import measure, slug
from edgekit.curating import Curated, curate
from edgekit.data.pixels import to_float
from edgekit.environment import environment
from edgekit.errors import GateNotMet, IntegrityError
from edgekit.evidence import gates, verdict
from edgekit.evidence.comparisons import compare
from edgekit.export import stage as exporting
from edgekit.export.metadata import labels_txt, metadata
from edgekit.recipe import Recipe
from edgekit.stages import Stages
from edgekit.store import RunFolder
from edgekit.training import stage
from edgekit.types import (
    Artifact,
    Dataset,
    Evaluation,
    Measurement,
    Report,
    Reporter,
    Selection,
    Silent,
    TrainedModel,
)

Until = Literal["curate", "train", "report"]
_STATUS: Mapping[Until, str] = {"curate": "curated", "train": "trained", "report": "complete"}


def build(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    force: bool = False,
    until: Until = "report",
    reporter: Reporter | None = None,
) -> Report | None:
    """Run the stages of `recipe` into the run folder `out`.

    Args:
        resume: `out` holds an unfinished run of the same recipe; finished stages come from the cache.
        force: replace the run that `out` holds (files the user changed there stay).
        until: the last stage to run; "curate" and "train" leave a folder that `resume` continues.

    Returns:
        The Report, or None when `until` ends before it.

    Raises:
        EdgekitError: see edgekit.errors; GateNotMet only after the report was written.
    """
    for demand in recipe.gates:
        gates.parse(demand)
    stages = Stages(reporter or Silent())
    # Before the folder is taken: wrong data must not cost a run that --force would replace, nor leave half a one.
    with stages.timed("data", "Data"):
        dataset = data.load_section(recipe.data, recipe.seed)
        sizes = ", ".join(f"{len(getattr(dataset, part)):,} {part}" for part in ("train", "val", "cal", "test"))
        stages.reporter.note(f"{dataset.source}: {sizes}")
        for note in dataset.notes:
            stages.reporter.note(note)
        if dataset.skipped:
            stages.reporter.warn(data.skipped_told(dataset.skipped))
        curating.check(recipe, dataset)
    facts = {"status": "running", "recipe": recipe.to_yaml(), **environment()}
    folder = RunFolder.open(out, resume=resume, force=force, **facts)
    try:
        known = folder.manifest.setdefault("dataset_fingerprint", dataset.fingerprint)
        if known != dataset.fingerprint:
            raise IntegrityError(f"The data of {recipe.data.spec} is not what {out} was begun with; start a new run.")
        folder.write("recipe.yaml", recipe.to_yaml())
        folder.save_manifest(seeds=[recipe.seed])
        return _Build(recipe, dataset, folder, stages).run(until)
    finally:
        folder.close()


class _Build:
    """One build: its recipe, its folder, and the stages as they are timed and cached."""

    def __init__(self, recipe: Recipe, dataset: Dataset, folder: RunFolder, stages: Stages) -> None:
        self.recipe, self.dataset, self.folder = recipe, dataset, folder
        self.stages, self.reporter = stages, stages.reporter

    def run(self, until: Until) -> Report | None:
        recipe, dataset, folder = self.recipe, self.dataset, self.folder
        curated = curate(recipe, dataset, folder, self.stages)
        selection, teacher = curated.selection, curated.teacher
        if until == "curate":
            self._stop(until)
            return None
        student, model_path = self._student(dataset, curated)
        if until == "train":
            self._stop(until)
            return None
        artifacts, parity = self._export(dataset, curated.train, selection, student, model_path)
        evaluations = self._evaluate(dataset, artifacts)
        measurements = self._bench(dataset, artifacts)
        comparisons = self._compare(artifacts, self._control(selection) if recipe.control and selection.edits else None)
        demanded = gates.check(recipe.gates, recipe.max_drop, exporting.shipped(artifacts), evaluations, measurements)

        with self.stages.timed("report", "Report"):
            document = report.assemble(
                run=folder.path.name,
                recipe=recipe,
                dataset=dataset,
                curation=curated.summary,
                models={"teacher": teacher, "student": student},
                artifacts=artifacts,
                evaluations=evaluations,
                measurements=measurements,
                comparisons=comparisons,
                gates=demanded,
                verdict=verdict.on_method(selection.method, seeds=1),
                parity=parity,
                timings=self.stages.timings,
                reused=self.stages.reused,
            )
            written = report.write(folder, document)
        folder.save_manifest(status="complete")
        if missed := [gate for gate in demanded if not gate.met]:
            told = "; ".join(
                f"{gate.demand} (found {gate.found if gate.found is None else round(gate.found, 6)} on {gate.where})"
                for gate in missed
            )
            raise GateNotMet(f"Gate not met: {told}. The report is in {folder.path}.", written)
        return written

    def _stop(self, until: Until) -> None:
        self.folder.save_manifest(status=_STATUS[until], timings=self.stages.timings)

    def _student(self, dataset: Dataset, curated: Curated) -> tuple[TrainedModel, Path]:
        recipe, selection = self.recipe, curated.selection
        job = stage.Job(ids=selection.kept, labels=selection.labels, weights=selection.weights, seed=recipe.seed)
        made = self.stages.cached(
            "training",
            f"Student {recipe.student.name}, {recipe.training.epochs} epochs",
            stage.key(recipe, dataset, job, recipe.training, recipe.student),
            lambda folder: stage.run("student", recipe, dataset, job, folder, self.reporter),
        )
        path = self.folder.adopt(made / "student_float.keras", "models/student_float.keras")
        student = stage.trained(made, path, selection.sha256)
        self.model_key = made.name
        self.reporter.note(f"val accuracy {student.history['val_accuracy'][-1]:.4f}, trained on {student.device}")
        if not recipe.pruning.sparsity:
            return student, path
        from edgekit.compression import stage as compression

        made = self.stages.cached(
            "pruning",
            f"Pruning to {recipe.pruning.sparsity:.0%} zeros",
            compression.key(recipe, self.model_key),
            lambda folder: compression.run(recipe, curated.train, selection.weights, path, folder, self.reporter),
        )
        self.model_key = made.name
        pruned = self.folder.adopt(made / "student_pruned.keras", "models/student_pruned.keras")
        facts = json.loads((made / "pruning.json").read_text())
        return dataclasses.replace(student, path=pruned, sparsity=facts["sparsity"]), pruned

    def _export(
        self, dataset: Dataset, kept: Any, selection: Selection, student: TrainedModel, model_path: Path
    ) -> tuple[list[Artifact], dict[str, Any]]:
        recipe = self.recipe
        artifacts: list[Artifact] = []
        parity: dict[str, Any] = {}
        for precision in dict.fromkeys(("float32", recipe.quantization.precision)):
            made = self.stages.cached(
                f"export_{precision}",
                f"Export {precision}",
                exporting.key(recipe, precision, self.model_key, selection),
                partial(exporting.run, recipe, precision, dataset, kept, model_path),
            )
            facts = json.loads((made / "export.json").read_text())
            parity |= facts["parity"]
            for name in facts["files"]:
                path = self.folder.adopt(made / name, f"artifacts/{name}")
                artifacts.append(exporting.artifact(path, precision, student, facts.get("calibration", {})))
        self.folder.write("artifacts/labels.txt", labels_txt(dataset))
        self.folder.write_json("artifacts/metadata.json", metadata(dataset, artifacts))
        for artifact in artifacts:
            self.reporter.note(f"{artifact.name}: {artifact.size_bytes:,} bytes ({artifact.gzip_bytes:,} after gzip)")
        return artifacts, parity

    def _evaluate(self, dataset: Dataset, artifacts: Sequence[Artifact]) -> list[Evaluation]:
        evaluations = []
        with self.stages.timed("evaluation", "Evaluation of the files"):
            for artifact in artifacts:
                # Gates look at val; test is read here, once, and decides nothing.
                for name, split in (("val", dataset.val), ("test", dataset.test)):
                    stem = f"evaluation/{artifact.name}" + ("" if name == "test" else f".{name}")
                    found, predictions = evaluate(artifact, split, name, self.folder.path / f"{stem}.predictions.npz")
                    self.folder.write(f"{stem}.predictions.npz", predictions)
                    self.folder.write_json(
                        f"{stem}.json", dataclasses.asdict(found) | {"predictions": f"{stem}.predictions.npz"}
                    )
                    evaluations.append(found)
                self.reporter.note(
                    f"{artifact.name}: test accuracy {found.accuracy:.4f}, AURC {found.aurc:.4f}, ECE {found.ece:.4f}"
                )
        return evaluations

    def _bench(self, dataset: Dataset, artifacts: Sequence[Artifact]) -> list[Measurement]:
        plan = self.recipe.bench
        if not plan.targets:
            return []
        with self.stages.timed("bench", f"Benchmark on {', '.join(plan.targets)}"):
            measurements = measure(artifacts, plan, to_float(dataset.val.x[:1]))
            for target in plan.targets:
                rows = [dataclasses.asdict(row) for row in measurements if row.target == target]
                self.folder.write_json(f"bench/{slug(target)}.json", {"target": target, "measurements": rows})
            for row in measurements:
                if not row.valid:
                    self.reporter.warn(
                        f"{row.artifact} at {row.threads} threads: latency not valid: {row.invalid_reason}"
                    )
        return measurements

    def _control(self, selection: Selection) -> Path:
        """Build the control arm: as many samples dropped at random (none, if the curation drops none), all else equal."""
        recipe = self.recipe
        path = self.folder.path / "control"
        changed = recipe.model_dump(mode="json")
        changed["curation"] = (
            {"method": "random", "budget": len(selection.dropped)} if selection.dropped else {"method": "none"}
        )
        changed |= {"control": False, "gates": (), "max_drop": None, "bench": changed["bench"] | {"targets": ()}}
        with self.stages.timed("control", f"Control: {len(selection.dropped):,} samples dropped at random"):
            arm = Recipe.model_validate(changed)
            begun = (path / "manifest.json").exists()
            same = begun and json.loads((path / "manifest.json").read_text()).get("recipe") == arm.to_yaml()
            build(arm, path, resume=same, force=begun and not same, reporter=self.reporter)
        return path

    def _compare(self, artifacts: Sequence[Artifact], control: Path | None) -> list[dict[str, Any]]:
        def predictions(root: Path, name: str) -> Any:
            return load_predictions(root / f"evaluation/{name}.predictions.npz")

        root, shipped = self.folder.path, exporting.shipped(artifacts)
        rows = []
        if shipped.precision != "float32":
            rows.append(compare("quantization", shipped.name, predictions(root, shipped.name),
                                "model_float32.tflite", predictions(root, "model_float32.tflite")))  # fmt: skip
        if control is not None:
            rows.extend(
                compare(
                    "curation", a.name, predictions(root, a.name), f"control/{a.name}", predictions(control, a.name)
                )
                for a in artifacts
                if a.format == "tflite"
            )
        return rows
