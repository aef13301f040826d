"""How large the next study must be: what one like this can detect, and the RNG seeds or test samples needed for more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.evidence import planning
from edgekit.evidence.verdict import LEAST_GROUPS, LEAST_SEEDS, Verdict
from edgekit.study.judging import Results, row

_KEYS = ("artifact", "arm", "control", "metric")


def plans(
    judged: Sequence[tuple[str, Verdict]],
    results: Results,
    worthwhile: Mapping[str, float],
    units: int,
    unit: str,
    family: int,
) -> list[dict[str, Any]]:
    """A row for each described effect on a metric that has a smallest effect worth detecting.

    seeds and samples: of a study like this; unit: what samples counts, "test samples" or "groups". detectable: the effect that it
    detects with 80 % chance, None if there is none.
    seeds_needed: for the effect worth detecting with these test samples, and seeds_needed_tenfold with ten times as many; None if
    they are more than `planning.MOST_SEEDS`. samples_needed: with these seeds; None = no number suffices.
    file_samples_needed: for two files (of one seed) that differ this much in accuracy, by McNemar's test, from the share of
    samples that only one of them got right; None for other metrics, and if that share is smaller than the effect.

    Args:
        units: independent test samples, or groups. family: comparisons x metrics x files that a whole study judges together.
    """
    rows = []
    for label, verdict in judged:
        effect, pilot = worthwhile.get(verdict.metric), verdict.over_both
        if effect is None or pilot is None:
            continue
        known = planning.spreads(pilot, units)
        seeds = max(len(verdict.seeds), LEAST_SEEDS)
        too_few = unit == "groups" and units < LEAST_GROUPS  # for any verdict
        seen = math.inf if too_few else planning.detectable_effect(known, seeds, units, comparisons=family)
        needed = planning.samples_needed(known, effect, seeds, comparisons=family)
        if unit == "groups" and needed is not None:
            needed = max(needed, LEAST_GROUPS)
        planned = row(label, verdict)
        rows.append(
            {key: planned[key] for key in _KEYS}
            | {
                "seeds": seeds,
                "samples": units,
                "unit": unit,
                "detectable": None if math.isinf(seen) else seen,
                "worthwhile": effect,
                "seeds_needed": None if too_few else planning.seeds_needed(known, effect, units, comparisons=family),
                "seeds_needed_tenfold": planning.seeds_needed(known, effect, 10 * units, comparisons=family),
                "samples_needed": needed,
                "file_samples_needed": _of_files(results[label], planned, verdict.seeds, effect),
                "comparisons": family,
            }
        )
    return rows


def _of_files(
    by_arm: Mapping[str, Mapping[int, Any]], planned: Mapping[str, Any], seeds: Sequence[int], effect: float
) -> int | None:
    if planned["metric"] != "accuracy":
        return None
    shares = []
    for seed in seeds:
        right = [
            one.predictions[2].argmax(axis=1) == one.predictions[1]
            for one in (by_arm[planned[arm]][seed] for arm in ("arm", "control"))
        ]
        shares.append(float(np.mean(right[0] != right[1])))
    discordance = float(np.mean(shares))
    return planning.paired_samples(discordance, effect) if discordance >= effect else None
