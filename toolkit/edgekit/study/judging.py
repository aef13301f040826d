"""Verdicts on all comparisons of a study at once, so that one correction covers all that is shown, and plans for the next one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.evidence import planning
from edgekit.evidence.verdict import LEAST_SEEDS, Verdict, judge
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


def plans(judged: Sequence[tuple[str, Verdict]], worthwhile: Mapping[str, float], units: int) -> list[dict[str, Any]]:
    """What a study like this can see, and how many RNG seeds the smallest effect worth finding takes.

    Args:
        units: independent test samples, or groups.
    """
    rows = []
    for label, verdict in judged:
        effect, pilot = worthwhile.get(verdict.metric), verdict.over_both
        if effect is None or pilot is None:
            continue
        known = planning.spreads(pilot, units)
        family = max(verdict.compared, 1)
        seen = planning.detectable_effect(known, max(len(verdict.seeds), LEAST_SEEDS), units, comparisons=family)
        rows.append(
            {k: v for k, v in row(label, verdict).items() if k in ("artifact", "arm", "control", "metric")}
            | {
                "seeds": max(len(verdict.seeds), LEAST_SEEDS),
                "detectable": None if math.isinf(seen) else seen,
                "worthwhile": effect,
                "seeds_needed": planning.seeds_needed(known, effect, units, comparisons=family),
                "comparisons": family,
            }
        )
    return rows


def per_group(
    results: Results, comparisons: Mapping[str, Sequence[tuple[str, str]]], metrics: Sequence[str]
) -> list[dict[str, Any]]:
    """The effect on each group that was left out, mean over RNG seeds; described, not judged.

    same_direction: in how many groups it points where the mean over groups does.
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
    found: dict[str, list[float]] = {}
    for seed in sorted(set(arm) & set(control)):
        one, other = arm[seed], control[seed]
        if one is None or other is None or one.groups is None:
            continue
        if not all(np.isfinite(tested.predictions[2]).all() for tested in (one, other)):
            continue
        for group in np.unique(one.groups):
            at = one.groups == group
            a, b = (_value(metric, tested, at) for tested in (one, other))
            found.setdefault(str(group), []).append(a - b)
    return {group: float(np.mean(values)) for group, values in found.items()}


def _value(metric: str, tested: Tested, at: Any) -> float:
    _, labels, probabilities = tested.predictions
    return float(statistic(metric, probabilities[at], labels[at])(np.ones((1, int(at.sum()))))[0])
