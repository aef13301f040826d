"""The end of a build and of a compression alike: the files evaluated, measured on targets, compared, judged and reported."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit import report
from edgekit.bench import stage as benching
from edgekit.errors import GateNotMet
from edgekit.evidence import chance, gates, verdict
from edgekit.evidence.comparisons import METRICS, Predictions, compare
from edgekit.export import stage as exporting
from edgekit.export.metadata import metadata
from edgekit.inference.evaluate import load_predictions, stored_predictions
from edgekit.pipeline import cross_validate as folds
from edgekit.pipeline import ladder
from edgekit.pipeline.values import Results, Work
from edgekit.recipe import Recipe
from edgekit.types import Artifact, Report, Selection


def evaluate(work: Work, results: Results) -> Results:
    """Run every file on val, cal and test."""
    evaluations = benching.evaluate_files(results.artifacts, work.dataset, work.run, work.reporter)
    return dataclasses.replace(results, evaluations=tuple(evaluations))


def cross_validate(work: Work, results: Results) -> Results:
    """Build each fold, and pool what their files answered."""
    assert work.build is not None
    paths = folds.run(work.recipe, work.run, work.stages, work.build, lenient=work.lenient)
    with work.stages.timed("cross_validation", "The folds together"):
        pooled, pooled_accuracy = folds.pool(paths, results.artifacts, work.dataset, work.run, work.reporter)
    return dataclasses.replace(results, evaluations=(*results.evaluations, *pooled), cross_validation=pooled_accuracy)


def calibrate(work: Work, results: Results) -> Results:
    """The temperature and operating threshold of each file, and metadata.json for apps."""
    split = _reported_split(work)
    reliability = benching.reliable(
        results.artifacts, work.run.path, work.recipe.operating.wanted, work.reporter, split=split
    )
    work.run.write_json(
        "artifacts/metadata.json", metadata(work.dataset, results.artifacts, reliability, results.waveform, split)
    )
    return dataclasses.replace(results, reliability=reliability)


def bench(work: Work, results: Results) -> Results:
    """Measure the files on the targets of the recipe."""
    benched = benching.bench(
        results.artifacts, work.dataset, work.recipe.bench, work.run, work.reporter, seed=work.recipe.seed
    )
    return dataclasses.replace(results, benched=benched)


def write_report(work: Work, results: Results) -> Results:
    """Compare, judge the gates, and write the report. Missed gates and failed targets end the run after it (`errors`)."""
    recipe, dataset, folder = work.recipe, work.dataset, work.run
    shipped = exporting.shipped(results.artifacts)
    comparisons = _compared(work, results)
    demanded = gates.check(
        _demands(recipe), max_drop(recipe), shipped, results.evaluations, results.benched.measurements, comparisons,
        results.benched.failures,
    )  # fmt: skip
    waveform = {"waveform": dict(results.waveform.facts)} if results.waveform else {}
    document = report.assemble(
        report.Contents(
            run=folder.path.name,
            recipe=recipe,
            dataset=dataset,
            artifacts=results.artifacts,
            evaluations=results.evaluations,
            measurements=results.benched.measurements,
            failures=results.benched.failures,
            comparisons=comparisons,
            gates=demanded,
            reliability=results.reliability,
            compression={**results.facts, "files": results.files, **waveform},
            parity=results.parity,
            timings=work.stages.timings,
        )
    )
    if work.user:
        document |= report.of_file(
            work.user.facts(),
            results.artifacts,
            shipped,
            results.evaluations,
            results.benched.measurements,
            work.stages.reused,
        )
        written = Report(path=folder.write_json("report.json", document).parent, document=document)
    else:
        document |= _of_build(work, results)
        if guessing := chance.no_better(document):
            document["untrained"]["shipped file"] = guessing
        report.keep_pictures(folder, dataset, document)
        written = report.write(folder, document)
    return dataclasses.replace(results, gates=tuple(demanded), report=written)


def errors(work: Work, results: Results) -> None:
    """End with the error that the finished report calls for, if there is one.

    Raises:
        TargetError: a target could not be measured. GateNotMet: a demand is not met. NotLearned: the file guesses.
    """
    written = results.report
    assert written is not None
    where = f"The report is in {work.run.path}."
    results.benched.raise_failures(where, written)
    if missed := [gate for gate in results.gates if not gate.met]:
        named = "; ".join(f"{gate.demand} ({gate.told})" for gate in missed)
        raise GateNotMet(f"Gate not met: {named}. {where}", written)
    if error := chance.error(written.document):
        error.report = written
        raise error


def max_drop(recipe: Recipe) -> float | None:
    """The most accuracy points that the shipped file may lose, None = no demand."""
    return ladder.demand_of(recipe) if recipe.quantization.precision == "auto" else recipe.max_drop


def _reported_split(work: Work) -> str:
    """The split that the report's figures are of: test, or what the folds answered where there is none."""
    return "test" if len(work.dataset.test) else folds.SPLIT


def _demands(recipe: Recipe) -> tuple[str, ...]:
    size = recipe.student.max_size
    return recipe.gates if size is None else (*recipe.gates, f"size_bytes<={size}")


def _compared(work: Work, results: Results) -> list[dict[str, Any]]:
    """The paired tests: the shipped file against the float32 one, and each file against the control's."""
    root, shipped, first = work.run.path, exporting.shipped(results.artifacts), results.artifacts[0]
    kinds: dict[str, str] = {}
    if shipped is not first:
        kinds["quantization"] = _reported_split(work)
        if max_drop(work.recipe) is not None:
            kinds["max_drop"] = "val"
    rows = [
        compare(
            kind,
            shipped.name,
            _load(root, shipped.name, split),
            first.name,
            _load(root, first.name, split),
            split=split,
        )
        for kind, split in kinds.items()
    ]
    if results.control is not None:
        rows.extend(
            compare("curation", a.name, _load(root, a.name), f"control/{a.name}", _load(results.control, a.name))
            for a in results.artifacts
            if a.format == "tflite"
        )
    return rows


def _of_build(work: Work, results: Results) -> dict[str, Any]:
    curated, shipped = results.curated, exporting.shipped(results.artifacts)
    assert curated is not None
    return report.of_build(
        curation=curated.summary,
        models={"teacher": results.teacher, "student": results.student},
        verdict=_verdict(work, curated.selection, shipped, results.control),
        cross_validation=results.cross_validation,
        reused=work.stages.reused,
        untrained=work.stages.untrained,
    )


def _verdict(work: Work, selection: Selection, shipped: Artifact, control: Path | None) -> Mapping[str, Any]:
    """What one RNG seed may say of the curation; with a control, the effect in each metric as `edgekit study` judges it."""
    method = "edits by hand" if selection.method == "none" and selection.edits else selection.method
    summary = dict(verdict.on_method(method, seeds=1))
    if control is None:
        return summary
    arms = {
        method: {work.recipe.seed: _load(work.run.path, shipped.name)},
        "control": {work.recipe.seed: _load(control, shipped.name)},
    }
    judged = verdict.judge(arms, [(method, "control")], METRICS, draws=500)
    return summary | {"judged": [each.row() | {"sentence": each.sentence} for each in judged]}


def _load(root: Path, name: str, split: str = "test") -> Predictions:
    return load_predictions(stored_predictions(root, name, split))
