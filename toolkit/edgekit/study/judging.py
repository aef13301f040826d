"""Verdicts on all comparisons of a study at once, so that one correction covers all that is shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.evidence.verdict import Verdict, judge
from edgekit.evidence.weighted import METRICS, statistic
from edgekit.study.results import Tested

Results = Mapping[str, Mapping[str, Mapping[int, Tested | None]]]
"""Label of the judged file -> arm -> RNG seed -> predictions, or None for a run that failed."""
DRAWS = 500


def verdicts(
    results: Results, comparisons: Mapping[str, Sequence[tuple[str, str]]], metrics: Sequence[str]
) -> list[tuple[str, Verdict]]:
    """(label, Verdict) of every comparison, Holm's correction over all of them together.

    Args:
        comparisons: (arm, control) to judge, per label.
    """
    arms: dict[str, dict[int, Any]] = {}
    pairs: list[tuple[str, str]] = []
    labels: list[str] = []
    groups = None
    for label, by_arm in results.items():
        for arm, by_seed in by_arm.items():
            arms[_at(arm, label)] = {seed: None if t is None else t.predictions for seed, t in by_seed.items()}
            groups = next((t.groups for t in by_seed.values() if t is not None), groups)
        for arm, control in comparisons[label]:
            pairs.append((_at(arm, label), _at(control, label)))
            labels += [label] * len(metrics)
    if not pairs:
        return []
    judged = judge(arms, pairs, metrics, draws=DRAWS, groups=groups)
    return list(zip(labels, judged, strict=True))


def interim(judged: Sequence[tuple[str, Verdict]], planned: int) -> list[tuple[str, Verdict]]:
    """The same, described only: part of the study is still to be run, and looking more than once finds false effects.

    Args:
        planned: RNG seeds of the whole study.
    """
    return [
        (
            label,
            dataclasses.replace(
                verdict,
                verdict=f"interim: {len(verdict.seeds)} of {planned} planned seeds",
                p=None,
                p_holm=None,
                p_sign_flip=None,
                detectable=None,
                compared=0,
                correction="described, not judged: the study is not finished",
                next="finish the study with --resume",
            ),
        )
        for label, verdict in judged
    ]


def row(label: str, verdict: Verdict) -> dict[str, Any]:
    """For JSON: the arm and the control by their names, and the file beside them."""
    end = len(_at("", label))
    return verdict.row() | {
        "artifact": label,
        "arm": verdict.arm[:-end],
        "control": verdict.control[:-end],
        "sentence": verdict.sentence,
    }


def _at(arm: str, label: str) -> str:
    return f"{arm} ({label})"


def per_group(
    results: Results, comparisons: Mapping[str, Sequence[tuple[str, str]]], metrics: Sequence[str]
) -> list[dict[str, Any]]:
    """The effect on each left-out group, mean over RNG seeds; described, not judged.

    same_direction: in how many groups it has the same sign as in the mean over groups.
    """
    rows = []
    for label, pairs in comparisons.items():
        for arm, control in pairs:
            for metric in metrics:
                effects = _group_effects(results[label].get(arm, {}), results[label].get(control, {}), metric)
                if effects:
                    values = np.array(list(effects.values()))
                    same = int((np.sign(values) == np.sign(values.mean())).sum())
                    rows.append(
                        {
                            "artifact": label,
                            "arm": arm,
                            "control": control,
                            "metric": metric,
                            "higher_is_better": METRICS[metric].higher_is_better,
                            "effects": effects,
                            "same_direction": same,
                        }
                    )
    return rows


def _group_effects(
    arm: Mapping[int, Tested | None], control: Mapping[int, Tested | None], metric: str
) -> dict[str, float]:
    differences: dict[str, list[float]] = {}
    for seed in sorted(set(arm) & set(control)):
        one, other = arm[seed], control[seed]
        if one is None or other is None or one.groups is None:
            continue
        if not all(np.isfinite(tested.predictions[2]).all() for tested in (one, other)):
            continue
        for group in np.unique(one.groups):
            at = one.groups == group
            a, b = (_value(metric, tested, at) for tested in (one, other))
            differences.setdefault(str(group), []).append(a - b)
    return {group: float(np.mean(values)) for group, values in differences.items()}


def _value(metric: str, tested: Tested, at: Any) -> float:
    _, labels, probabilities = tested.predictions
    return float(statistic(metric, probabilities[at], labels[at])(np.ones((1, int(at.sum()))))[0])
