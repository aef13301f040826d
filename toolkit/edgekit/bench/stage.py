"""Runs the files of a run: their quality on val, cal and test, and every target of the recipe; evaluation/ and bench/."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.bench import named
from edgekit.bench.measure import Benched, document, measure, slug
from edgekit.bench.target_run import Samples
from edgekit.data.pixels import to_float
from edgekit.evidence import reliability
from edgekit.inference import litert
from edgekit.inference.evaluate import evaluate, load_logits, load_predictions, predictions_of
from edgekit.recipe import BenchSection
from edgekit.runs.folder import RunFolder
from edgekit.types import Artifact, Dataset, Evaluation, Measurement, Reporter


def bench(
    artifacts: Sequence[Artifact],
    dataset: Dataset,
    plan: BenchSection,
    folder: RunFolder,
    reporter: Reporter,
    *,
    seed: int,
) -> Benched:
    """Measure the files of a run, accuracy on the test split included, and write the results."""
    samples = Samples.of(dataset.test if len(dataset.test) else dataset.val)

    def done(rows: Sequence[Measurement]) -> None:
        if rows:
            folder.write_json(f"bench/{slug(rows[0].target)}.json", document(rows[0].target, rows))

    image = to_float(dataset.val.x[:1])
    benched = measure(artifacts, plan, image, samples=samples, seed=seed, reporter=reporter, done=done)
    bad = [row for row in benched.measurements if row.verdict == "invalid"]
    for target, reason in dict.fromkeys((row.target, row.invalid_reason) for row in bad):
        files = dict.fromkeys(row.artifact for row in bad if (row.target, row.invalid_reason) == (target, reason))
        reporter.warn(f"latency on {target} is not valid ({reason}): {', '.join(files)}")
    return benched


def evaluate_files(
    artifacts: Sequence[Artifact], dataset: Dataset, folder: RunFolder, reporter: Reporter
) -> list[Evaluation]:
    """Run every file on val, cal and test, and write predictions and metrics into evaluation/."""
    evaluations = []
    for artifact in artifacts:
        # Gates look at val, temperature and threshold at cal; test is read here, once, and decides nothing.
        for name, split in (("val", dataset.val), ("cal", dataset.cal), ("test", dataset.test)):
            if not len(split):  # cross-validation tests the recipe in its place
                continue
            stored = predictions_of(artifact.name, name)
            evaluation, predictions = evaluate(artifact, split, name, folder.path / stored, dataset.classes)
            folder.write(stored, predictions)
            folder.write_json(
                stored.replace(".predictions.npz", ".json"), dataclasses.asdict(evaluation) | {"predictions": stored}
            )
            evaluations.append(evaluation)
        if len(dataset.test):
            reporter.note(
                f"{artifact.name}: test accuracy {evaluation.accuracy:.4f}, AURC {evaluation.aurc:.4f}, ECE {evaluation.ece:.4f}"
            )
    return evaluations


def reliable(
    artifacts: Sequence[Artifact], root: Path, wanted: Mapping[str, float], reporter: Reporter, *, split: str = "test"
) -> dict[str, dict[str, Any]]:
    """The temperature and the operating threshold of each file that `evaluate_files` ran in the folder `root`.

    Args:
        wanted: {"coverage": share} or {"risk": share}. split: what is measured on, "cv" where there is no test.

    Returns:
        See `edgekit.evidence.reliability.rows`.
    """
    files, floats = {}, {a.format: a.name for a in reversed(artifacts) if a.precision == "float32"}
    logits = {}
    for artifact in artifacts:
        stored = [root / predictions_of(artifact.name, part) for part in ("cal", split)]
        calibration, test = map(load_predictions, stored)
        raw = [load_logits(path) for path in stored]
        if raw[0] is not None and raw[1] is not None:
            logits[artifact.name] = reliability.Logits(
                calibration=raw[0], test=raw[1], limits=litert.limits(artifact.outputs[0])
            )
        files[artifact.name] = (calibration[2], calibration[1]), (test[2], test[1])
    float_of = {a.name: floats.get(a.format, floats["tflite"]) for a in artifacts if a.precision != "float32"}
    rows = reliability.rows(
        files, float_of, logits=logits, coverage=wanted.get("coverage"), risk=wanted.get("risk"),
        tested="test" if split == "test" else "cross-validated",
    )  # fmt: skip
    for name, row in rows.items():
        if not row["judged"]:
            continue  # few_samples_message has reported it, once for all files
        if row["at_bound"]:
            reporter.warn(
                f"no temperature fits {name}: its {row['n']} calibration samples are too few, or all right or wrong"
            )
        if row["operating"]["threshold"] is None:
            reporter.warn(f"no threshold for {name} keeps the risk at {wanted['risk']:g} on the calibration samples")
    return rows


def hint(plan: BenchSection, reporter: Reporter) -> None:
    """Say which attached devices were not measured on; looks without starting anything."""
    if unused := named.unused(plan.targets):
        reporter.note(f"Attached, but not measured: {', '.join(unused)}. --target {unused[0]}, or --target attached.")
