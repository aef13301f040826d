"""build(recipe) -> Report: the only file that knows the order of the stages.

data -> teacher -> curate -> train -> prune, QAT -> export + parity -> evaluate -> bench -> control -> report. Each costly stage
is cached under everything that it depends on, so a change elsewhere, or a kill, costs only what really has to be done again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from edgekit import curating, data, latest, modeling, packaging, report
from edgekit.bench import measure as measuring
from edgekit.bench import stage as benching
from edgekit.bench.evaluate import load_predictions, predictions_of
from edgekit.bench.measure import Benched
from edgekit.curating import curate
from edgekit.environment import environment
from edgekit.errors import EdgekitError, GateNotMet, IntegrityError, RecipeError
from edgekit.evidence import gates, verdict
from edgekit.evidence.comparisons import METRICS, Predictions, compare
from edgekit.export import stage as exporting
from edgekit.export import waveform
from edgekit.export.metadata import metadata
from edgekit.recipe import LEFT_OUT, Recipe, from_yaml
from edgekit.stages import Stages
from edgekit.store import RunFolder
from edgekit.students.choose import choose
from edgekit.types import (
    Artifact,
    Dataset,
    Evaluation,
    Report,
    Reporter,
    Selection,
    Silent,
)

Until = Literal["curate", "train", "report"]
_STATUS: Mapping[Until, str] = {"curate": "curated", "train": "trained", "report": "complete"}


def build(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    force: bool = False,
    lenient: bool | None = None,
    until: Until = "report",
    reporter: Reporter | None = None,
) -> Report | None:
    """Run the stages of `recipe` into the run folder `out`.

    Args:
        resume: `out` holds an unfinished run of the same recipe; finished stages come from the cache.
        force: replace the run that `out` holds (files the user changed there stay).
        lenient: let the quantization ladder judge a drop that validation is too small for; None = as `force`.
        until: the last stage to run; "curate" and "train" leave a folder that `resume` continues.

    Returns:
        The Report, or None when `until` ends before it.

    Raises:
        EdgekitError: see edgekit.errors; GateNotMet only after the report was written.
    """
    planned = measuring.check(recipe.bench)
    gates.demanded(recipe.gates, [endpoint.text for endpoint, _ in planned], recipe.bench.threads)
    measuring.check(recipe.bench, reach=True)
    lenient = force if lenient is None else lenient
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
        if few := data.few_told(val=dataset.val, cal=dataset.cal):
            stages.reporter.warn(few)
        gates.check_classes(recipe.gates, dataset.classes, dataset.val.y)
        curating.check(recipe, dataset)
        _check_files(recipe, dataset, stages.reporter)
        chosen = _with_student(recipe, dataset, stages.reporter)
        if recipe.quantization.precision == "auto":
            from edgekit import ladder

            ladder.check(recipe, dataset, force=lenient)
    facts = {"status": "running", "recipe": recipe.to_yaml(), **environment()}
    folder = RunFolder.open(out, resume=resume, force=force, **facts)
    try:
        known = folder.manifest.setdefault("dataset_fingerprint", dataset.fingerprint)
        if known != dataset.fingerprint:
            raise IntegrityError(f"The data of {recipe.data.spec} is not what {out} was begun with; start a new run.")
        folder.write("recipe.yaml", chosen.to_yaml())
        folder.save_manifest(seeds=[recipe.seed])
        return _Build(chosen, dataset, folder, stages, lenient=lenient).run(until)
    finally:
        folder.close()


def _met(recipe: Recipe) -> str | None:
    """The group left out, if the backbone comes from a run on the same data that did not leave it out."""
    beside = Path(recipe.student.backbone or "").parent.parent / "recipe.yaml"
    if recipe.data.leave_out is None or not beside.is_file():
        return None
    try:
        before = from_yaml(beside.read_text()).data
    except (OSError, EdgekitError):
        return None  # of another edgekit
    same = before.spec == recipe.data.spec and before.leave_out != recipe.data.leave_out
    return recipe.data.leave_out if same else None


def _check_files(recipe: Recipe, dataset: Dataset, reporter: Reporter) -> None:
    """Open what later stages read, since hours may lie between."""
    waveform.check(recipe, dataset)
    weights, spec = recipe.student.start, recipe.quantization.calibration
    if weights and not Path(weights).is_file():
        told = f" {LEFT_OUT} stands for data.leave_out, which is not given." if LEFT_OUT in weights else ""
        raise RecipeError(
            f"The weights {weights} do not exist; expected a .keras or .h5 file, or a checkpoint as .safetensors or .npz.{told}"
        )
    if recipe.student.backbone and (group := _met(recipe)):
        reporter.warn(
            f"the backbone {recipe.student.backbone} was trained on {group!r} too, which is left out here: the test is not on an "
            "unseen group"
        )
    if spec:
        data.load_pool(spec, shape=dataset.input.shape, front_end=dataset.input.front_end)


def _with_student(recipe: Recipe, dataset: Dataset, reporter: Reporter) -> Recipe:
    """The recipe with its student; "auto" becomes the one for these images."""
    section = recipe.student
    if section.name != "auto":
        return recipe
    name, width, reason = choose(dataset.input.shape, len(dataset.classes), section.max_size)
    reporter.note(f"student {name} {width}: {reason}")
    return recipe.model_copy(update={"student": section.model_copy(update={"name": name, "width": width})})


def _demands(recipe: Recipe) -> tuple[str, ...]:
    size = recipe.student.max_size
    return recipe.gates if size is None else (*recipe.gates, f"size_bytes<={size}")


def _max_drop(recipe: Recipe) -> float | None:
    if recipe.quantization.precision != "auto":
        return recipe.max_drop
    from edgekit.ladder import demand_of

    return demand_of(recipe)


class _Build:
    """One build: its recipe, its folder, and the stages as they are timed and cached."""

    def __init__(self, recipe: Recipe, dataset: Dataset, folder: RunFolder, stages: Stages, *, lenient: bool) -> None:
        self.recipe, self.dataset, self.folder = recipe, dataset, folder
        self.stages, self.reporter, self.lenient = stages, stages.reporter, lenient

    def run(self, until: Until) -> Report | None:
        recipe, dataset, folder = self.recipe, self.dataset, self.folder
        curated = curate(recipe, dataset, folder, self.stages)
        selection = curated.selection
        if until == "curate":
            self._stop(until)
            return None
        made = modeling.train(recipe, dataset, curated, folder, self.stages)
        if until == "train":
            self._stop(until)
            return None
        modeling.compress(recipe, dataset, curated, made, folder, self.stages)
        artifacts, told = packaging.export(recipe, dataset, curated, made, folder, self.stages, force=self.lenient)
        inside = waveform.add(recipe, dataset, exporting.shipped(artifacts), folder, self.stages)
        evaluations = self._evaluate(dataset, artifacts)
        with self.stages.timed("reliability", "Temperature and operating threshold"):
            reliability = benching.reliable(artifacts, folder.path, recipe.operating.wanted, self.reporter)
            folder.write_json("artifacts/metadata.json", metadata(dataset, artifacts, reliability, inside))
        benched = self._bench(dataset, artifacts)
        control = self._control(selection) if recipe.control and selection.edits else None
        comparisons = self._compare(artifacts, control)
        demanded = gates.check(
            _demands(recipe),
            _max_drop(recipe),
            exporting.shipped(artifacts),
            evaluations,
            benched.measurements,
            comparisons,
            benched.failures,
        )

        compression = {**made.facts, **{name: told[name] for name in told if name != "parity"}}
        if inside:
            compression["waveform"] = inside.facts
        with self.stages.timed("report", "Report"):
            document = report.assemble(
                run=folder.path.name,
                recipe=recipe,
                dataset=dataset,
                curation=curated.summary,
                models={"teacher": made.teacher, "student": made.student},
                compression=compression,
                artifacts=artifacts,
                evaluations=evaluations,
                measurements=benched.measurements,
                failures=benched.failures,
                comparisons=comparisons,
                gates=demanded,
                verdict=self._verdict(selection, exporting.shipped(artifacts), control),
                reliability=reliability,
                parity=told["parity"],
                timings=self.stages.timings,
                reused=self.stages.reused,
            )
            report.keep_pictures(folder, dataset, document)
            written = report.write(folder, document)
        self._end("complete")
        if recipe.bench.targets:
            benching.hint(recipe.bench, self.reporter)
        benched.raise_failures(f"The report is in {folder.path}.", written)
        if missed := [gate for gate in demanded if not gate.met]:
            named = "; ".join(f"{gate.demand} ({gate.told})" for gate in missed)
            raise GateNotMet(f"Gate not met: {named}. The report is in {folder.path}.", written)
        return written

    def _stop(self, until: Until) -> None:
        self.folder.save_manifest(timings=self.stages.timings)
        self._end(_STATUS[until])

    def _end(self, status: str) -> None:
        self.folder.save_manifest(status=status, peak_rss_bytes=self.stages.peak_rss_bytes)
        latest.point_to(self.folder.path)

    def _evaluate(self, dataset: Dataset, artifacts: Sequence[Artifact]) -> list[Evaluation]:
        with self.stages.timed("evaluation", "Evaluation of the files"):
            return benching.evaluate_files(artifacts, dataset, self.folder, self.reporter)

    def _bench(self, dataset: Dataset, artifacts: Sequence[Artifact]) -> Benched:
        plan = self.recipe.bench
        if not plan.targets:
            return Benched(measurements=[])
        with self.stages.timed("bench", f"Benchmark on {', '.join(plan.targets)}"):
            return benching.bench(artifacts, dataset, plan, self.folder, self.reporter, seed=self.recipe.seed)

    def _control(self, selection: Selection) -> Path:
        """Build the control arm: as many samples dropped at random (none, if the curation drops none), all else equal."""
        recipe = self.recipe
        path = self.folder.path / "control"
        changed = recipe.model_dump(mode="json")
        changed["curation"] = (
            {"method": "random", "budget": len(selection.dropped)} if selection.dropped else {"method": "none"}
        )
        changed |= {"control": False, "gates": (), "bench": changed["bench"] | {"targets": ()}}
        changed["student"]["max_size"] = None
        changed["quantization"]["waveform"] = False
        if recipe.quantization.precision != "auto":  # whose ladder must climb for the same demand
            changed["max_drop"] = None
        with self.stages.timed("control", f"Control: {len(selection.dropped):,} samples dropped at random"):
            arm = Recipe.model_validate(changed)
            begun = (path / "manifest.json").exists()
            same = begun and json.loads((path / "manifest.json").read_text()).get("recipe") == arm.to_yaml()
            try:
                # The ladder was allowed what it may judge in this build.
                build(arm, path, resume=same, force=begun and not same, lenient=self.lenient, reporter=self.reporter)
            except GateNotMet as missed:
                if missed.report is None:  # a file is wrong, rather than a demand not met by the control
                    raise
        return path

    def _compare(self, artifacts: Sequence[Artifact], control: Path | None) -> list[dict[str, Any]]:
        root, shipped, exact = self.folder.path, exporting.shipped(artifacts), "model_float32.tflite"
        kinds = {"quantization": "test"} if shipped.precision != "float32" else {}
        if kinds and _max_drop(self.recipe) is not None:
            kinds["max_drop"] = "val"
        rows = [
            compare(kind, shipped.name, _load(root, shipped.name, split), exact, _load(root, exact, split), split=split)
            for kind, split in kinds.items()
        ]
        if control is not None:
            rows.extend(
                compare("curation", a.name, _load(root, a.name), f"control/{a.name}", _load(control, a.name))
                for a in artifacts
                if a.format == "tflite"
            )
        return rows

    def _verdict(self, selection: Selection, shipped: Artifact, control: Path | None) -> dict[str, Any]:
        """What one RNG seed may say of the curation; with a control, the effect in each metric as `edgekit study` judges it."""
        method = "edits by hand" if selection.method == "none" and selection.edits else selection.method
        found = dict(verdict.on_method(method, seeds=1))
        if control is None:
            return found
        arms = {
            method: {self.recipe.seed: _load(self.folder.path, shipped.name)},
            "control": {self.recipe.seed: _load(control, shipped.name)},
        }
        judged = verdict.judge(arms, [(method, "control")], METRICS, draws=500)
        return found | {"judged": [each.row() | {"sentence": each.sentence} for each in judged]}


def _load(root: Path, name: str, split: str = "test") -> Predictions:
    return load_predictions(root / predictions_of(name, split))
