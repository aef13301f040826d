"""Which comparisons of a study can be judged, file by file, and why the others cannot, so that finished runs are not wasted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgekit.study import results
from edgekit.study.plan import Plan, Run
from edgekit.study.results import Finished, Tested
from edgekit.study.schedule import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A comparison that is not judged. status: "missing" (an arm has no finished run yet) or "broken" (runs cannot help)."""

    arm: str
    control: str
    artifact: str
    status: Literal["missing", "broken"]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Comparisons per judged file.

    judged: label -> (arm, control). refused: the others. planned: comparisons x files that the study judges once all is run.
    differences: graphs that differ as the recipes intend, described. mismatches: those that differ although they should not.
    """

    judged: Mapping[str, Sequence[tuple[str, str]]]
    refused: Sequence[Refused]
    planned: int
    differences: Sequence[str]
    mismatches: Sequence[str]


def pairs(
    plan: Plan,
    finished: Sequence[Finished],
    outcomes: Mapping[str, Outcome],
    tested: Mapping[str, Mapping[str, Mapping[int, Tested | None]]],
    digests: Mapping[str, Mapping[str, Sequence[str]]],
) -> Pairs:
    """Sort the comparisons of the plan.

    Args:
        tested: label -> arm -> RNG seed -> predictions. digests: arm -> label -> those of its files' graphs.
    """
    needless = {
        arm.name
        for arm in plan.arms
        if all(outcomes[run.name].status == "not needed" for run in plan.runs if run.arm == arm)
    }
    judged: dict[str, list[tuple[str, str]]] = {}
    refused: list[Refused] = []
    differences: list[str] = []
    mismatches: list[str] = []
    for label, by_arm in tested.items():
        judged[label] = []
        broken = _without_file(finished, label) | _tested_elsewhere(by_arm)
        for arm, control in plan.comparisons:
            if needless & {arm, control}:
                continue
            row: dict[str, Any] = {"arm": arm, "control": control, "artifact": label}
            known = [name for name in (arm, control) if any(by_arm.get(name, {}).values())]
            if reason := next((broken[name] for name in (arm, control) if name in broken), None):
                refused.append(Refused(**row, status="broken", reason=reason))
            elif len(known) < 2:
                gone = next(name for name in (arm, control) if name not in known)
                refused.append(Refused(**row, status="missing", reason=f"no RNG seed of {gone} is finished"))
            elif len({*digests[arm][label], *digests[control][label]}) == 1:
                judged[label].append((arm, control))
            elif results.deliberate(*(_recipe(name, finished) for name in (arm, control))):
                differences.append(
                    f"{arm} and {control} have different inference graphs in {label}, as their recipes intend."
                )
                judged[label].append((arm, control))
            else:
                mismatches.append(
                    f"{arm} and {control} should have the same inference graph in {label}, but operators or shapes differ."
                )
                refused.append(Refused(**row, status="broken", reason="the inference graphs differ, and should not"))
    waiting = sum(row.status == "missing" for row in refused)
    return Pairs(
        judged=judged,
        refused=refused,
        planned=sum(map(len, judged.values())) + waiting,
        differences=differences,
        mismatches=mismatches,
    )


def outstanding(plan: Plan, outcomes: Mapping[str, Outcome]) -> list[Run]:
    """Planned runs that were not started and still can be: until they are, a verdict would be based on part of the study.

    A run that waits for a failed run is left out like that run.
    """
    return [
        run
        for run in plan.runs
        if outcomes[run.name].status == "not run" and not (run.after and outcomes[run.after].status == "failed")
    ]


def _without_file(finished: Sequence[Finished], label: str) -> dict[str, str]:
    """Arm -> why it has nothing to judge under `label`."""
    return {
        done.run.arm.name: f"{done.run.name} has no file {label!r}; it has "
        + ", ".join(row["name"] for row in done.document["artifacts"])
        for done in reversed(finished)
        if label not in done.files
    }


def _tested_elsewhere(by_arm: Mapping[str, Mapping[int, Tested | None]]) -> dict[str, str]:
    """Arm -> that it was tested on other samples than the first one."""
    sentences: dict[str, str] = {}
    first: tuple[str, Tested] | None = None
    for name, by_seed in by_arm.items():
        for seed, one in by_seed.items():
            if one is None:
                continue
            if first is None:
                first = f"{name} (seed {seed})", one
            elif name not in sentences and not _same_samples(one, first[1]):
                sentences[name] = f"{name} (seed {seed}) was tested on other samples or labels than {first[0]}"
    return sentences


def _same_samples(one: Tested, other: Tested) -> bool:
    (ids, labels, _), (other_ids, other_labels, _) = one.predictions, other.predictions
    return (
        ids is not None
        and other_ids is not None
        and bool(np.array_equal(ids, other_ids) and np.array_equal(labels, other_labels))
    )


def _recipe(arm: str, finished: Sequence[Finished]) -> Mapping[str, Any]:
    """Of the first finished run of `arm`."""
    recipe: Mapping[str, Any] = next(done.document["recipe"] for done in finished if done.run.arm.name == arm)
    return recipe
