"""The results of finished runs: their reports, their predictions on test as `evidence.verdict` reads them, and their graphs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.evidence.runs import Run as Predictions
from edgekit.inference.evaluate import load_predictions, stored_predictions
from edgekit.runs import recorded
from edgekit.study import graph
from edgekit.study.plan import Plan, Run
from edgekit.study.schedule import Outcome

SHIPPED = "shipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A complete run: its report.json, and its judged files by label ("shipped" or the file's name)."""

    run: Run
    folder: Path
    document: Mapping[str, Any]
    files: Mapping[str, str]

    def artifact(self, label: str) -> Mapping[str, Any]:
        """The row of `artifacts` in report.json."""
        row: Mapping[str, Any] = next(a for a in self.document["artifacts"] if a["name"] == self.files[label])
        return row

    def path(self, label: str) -> Path:
        """The file. Raises IntegrityError if its name points outside the run."""
        return recorded.inside(self.folder, f"artifacts/{self.files[label]}", self.folder / "report.json")

    def reliability(self, label: str) -> Mapping[str, Any] | None:
        """The row of `reliability` in report.json; None if the run fitted no temperature for the file."""
        row: Mapping[str, Any] | None = self.document.get("reliability", {}).get(self.files.get(label))
        return row


def read(plan: Plan, out: Path, outcomes: Mapping[str, Outcome]) -> list[Finished]:
    """The complete runs of the study in `out`."""
    finished = []
    for run in plan.runs:
        if outcomes[run.name].status != "complete":
            continue
        folder = out / "runs" / run.name
        document = json.loads((folder / "report.json").read_text())
        names = {row["name"] for row in document["artifacts"]}
        files = {label: document["run"]["shipped"] if label == SHIPPED else label for label in plan.study.artifact}
        own = {label: name for label, name in files.items() if name in names}
        finished.append(Finished(run=run, folder=folder, document=document, files=own))
    return finished


def labels_of(plan: Plan, finished: Sequence[Finished]) -> list[str]:
    """The files to judge, each only once ("shipped" is also model_float32.tflite in float builds)."""
    kept: dict[tuple[str | None, ...], str] = {}
    for label in plan.study.artifact:
        kept.setdefault(tuple(run.files.get(label) for run in finished), label)
    return list(kept.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """Predictions of one arm and seed on test, over all left-out groups.

    groups: (N,) group of each sample, or None. temperatures: (N,) float64, that of the sample's run for the file, or None where
    a run has none.
    """

    predictions: Predictions
    groups: NDArray[np.str_] | None
    temperatures: NDArray[np.float64] | None = None


def tested(
    plan: Plan, finished: Sequence[Finished], outcomes: Mapping[str, Outcome], label: str
) -> dict[str, dict[int, Any]]:
    """Arm -> RNG seed -> Tested, or None for one whose run failed or has no such file; seeds not needed are left out."""
    by_name = {done.run.name: done for done in finished}
    by_arm: dict[str, dict[int, Any]] = {}
    for arm in plan.arms:
        for seed in plan.study.seeds:
            own = [run for run in plan.runs if run.arm == arm and run.seed == seed]
            if all(outcomes[run.name].status == "not needed" for run in own):
                continue
            complete = [by_name.get(run.name) for run in own]
            parts = [done for done in complete if done is not None and label in done.files]
            by_arm.setdefault(arm.name, {})[seed] = _joined(parts, label) if len(parts) == len(own) else None
    return by_arm


def _joined(parts: Sequence[Finished], label: str) -> Tested:
    read = [load_predictions(stored_predictions(done.folder, done.files[label])) for done in parts]
    ids, labels, probabilities = (np.concatenate(columns) for columns in zip(*read, strict=True))
    sizes = [len(columns[0]) for columns in read]
    groups = None
    if parts[0].run.group is not None:
        groups = np.repeat([str(done.run.group) for done in parts], sizes)
    fitted = [row["temperature"] for done in parts if (row := done.reliability(label)) is not None]
    temperatures = np.repeat(np.array(fitted, np.float64), sizes) if len(fitted) == len(parts) else None
    return Tested(predictions=(ids, labels, probabilities), groups=groups, temperatures=temperatures)


def graphs(finished: Sequence[Finished], labels: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Arm -> label -> the digests of its files' graphs, each once."""
    by_arm: dict[str, dict[str, set[str]]] = {}
    for done in finished:
        for label in (label for label in labels if label in done.files):
            by_arm.setdefault(done.run.arm.name, {}).setdefault(label, set()).add(graph.digest(done.path(label)))
    return {arm: {label: sorted(own) for label, own in by.items()} for arm, by in by_arm.items()}


def deliberate(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two recipes intend different inference graphs, or leave the graph to the result of training."""
    sections = ("student", "pruning", "quantization")
    # An input of a different size changes shapes throughout.
    if any(one["data"].get(key) != other["data"].get(key) for key in ("spec", "image_size")):
        return True
    open_ended = any(r["pruning"]["channels"] or r["quantization"]["precision"] == "auto" for r in (one, other))
    return open_ended or any(one[section] != other[section] for section in sections)
