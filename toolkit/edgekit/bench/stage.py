"""The files of a run, run: their quality on val and test, and on every target of the recipe; evaluation/ and bench/."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from edgekit.bench import named
from edgekit.bench.evaluate import evaluate
from edgekit.bench.measure import Benched, document, measure, slug
from edgekit.bench.visit import Samples
from edgekit.data.pixels import to_float
from edgekit.recipe import BenchSection
from edgekit.store import RunFolder
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
    """Measure the files of a run, accuracy on the test split included, and write down what was found."""
    samples = Samples(x=dataset.test.x, labels=dataset.test.y)

    def done(rows: Sequence[Measurement]) -> None:
        if rows:
            folder.write_json(f"bench/{slug(rows[0].target)}.json", document(rows[0].target, rows))

    image = to_float(dataset.val.x[:1])
    found = measure(artifacts, plan, image, samples=samples, seed=seed, reporter=reporter, done=done)
    bad = [row for row in found.measurements if row.verdict == "invalid"]
    for target, reason in dict.fromkeys((row.target, row.invalid_reason) for row in bad):
        files = dict.fromkeys(row.artifact for row in bad if (row.target, row.invalid_reason) == (target, reason))
        reporter.warn(f"latency on {target} is not valid ({reason}): {', '.join(files)}")
    return found


def evaluate_files(
    artifacts: Sequence[Artifact], dataset: Dataset, folder: RunFolder, reporter: Reporter
) -> list[Evaluation]:
    """Run every file on val and test, and write predictions and metrics into evaluation/."""
    evaluations = []
    for artifact in artifacts:
        # Gates look at val; test is read here, once, and decides nothing.
        for name, split in (("val", dataset.val), ("test", dataset.test)):
            stem = f"evaluation/{artifact.name}" + ("" if name == "test" else f".{name}")
            found, predictions = evaluate(artifact, split, name, folder.path / f"{stem}.predictions.npz")
            folder.write(f"{stem}.predictions.npz", predictions)
            folder.write_json(f"{stem}.json", dataclasses.asdict(found) | {"predictions": f"{stem}.predictions.npz"})
            evaluations.append(found)
        reporter.note(
            f"{artifact.name}: test accuracy {found.accuracy:.4f}, AURC {found.aurc:.4f}, ECE {found.ece:.4f}"
        )
    return evaluations


def hint(plan: BenchSection, reporter: Reporter) -> None:
    """Say which attached devices were not measured on; looks without starting anything."""
    if unused := named.unused(plan.targets):
        reporter.note(
            f"Attached, but not measured on: {', '.join(unused)}. --target {unused[0]}, or --target attached."
        )
