"""How often does a verdict claim a gain or a loss where there is none?

Goal: "better" or "worse" in at most 63 of 1,000 simulated studies (5 % and its sampling error). Each study has two arms drawn
from one distribution, 6, 8, 10 or 20 paired RNG seeds, 2,000 test samples and 500 resamples; training seeds move a student's
accuracy by .2 to .8 points (an assumption), samples are hard for all seeds alike, half of the files have 256 levels.
Judged twice: accuracy alone, and accuracy, AUGRC, NLL and debiased ECE together, where any claim counts.

Beside it, on the same studies, what was not chosen: the plain percentile interval of the hierarchical bootstrap, and sign flips
alone. And studies whose arms err on different samples but equally often: no gain either, which only the test samples can tell.
And studies whose test samples come from 5, 6, 10 or 20 groups (speakers, sites), of which each arm finds other ones hard: judged
by groups, and not at all with fewer.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import arguments, record, run, say
from scipy.special import expit
from scipy.stats import norm

from edgekit.evidence import verdict
from edgekit.evidence.runs import Arms

ACCURACY, SAMPLES, DRAWS = 0.87, 2000, 500
SEEDS = (6, 8, 10, 20)
GROUPS = (5, 6, 10, 20)
FAMILY = ("accuracy", "augrc", "nll", "ece_squared")
Shared = dict[str, float]


def spread(rng: np.random.Generator, *, of_arm: float) -> Shared:
    """What a study's students share: shares of the variance of a sample's margin, and the SD over training seeds in points.

    Args:
        of_arm: share of what all seeds of one arm have in common and the other arm has not; 0 is the same distribution.
    """
    return {
        "samples": rng.uniform(0.6, 0.85) - of_arm,
        "arm": of_arm,
        "pair": rng.uniform(0.0, 0.1),
        "seed_sd": rng.uniform(0.2, 0.8),
        "seed_correlation": rng.uniform(0.0, 0.5),
    }


def simulate(
    rng: np.random.Generator,
    shared: Shared,
    seeds: int,
    effects: dict[str, float],
    *,
    levels: bool = False,
    groups: NDArray[np.int64] | None = None,
) -> tuple[Arms, float]:
    """Arms with those effects on the true accuracy (in points), and the share of samples that one of two students gets right.

    A sample is right where its margin is above 0; the margin, of variance 1, is the sum of what the sample does to all students,
    to one arm, to one pair of students with the same seed, and to one student alone. p(label) is a logistic function of it. With
    groups, what a sample does to one arm is what its group does.
    """
    scale = shared["seed_sd"] / 100 / norm.pdf(norm.ppf(ACCURACY))
    alone = 1 - shared["samples"] - shared["arm"] - shared["pair"]
    labels = np.zeros(SAMPLES, np.int64)
    common = np.sqrt(shared["samples"]) * rng.normal(size=SAMPLES)
    common = common + np.sqrt(shared["pair"]) * rng.normal(size=(seeds, SAMPLES))
    of_seed = np.sqrt(shared["seed_correlation"]) * rng.normal(size=(seeds, 1))
    arms: dict[str, Any] = {}
    for name, effect in effects.items():
        own = np.sqrt(1 - shared["seed_correlation"]) * rng.normal(size=(seeds, 1))
        of_arm = rng.normal(size=SAMPLES) if groups is None else rng.normal(size=groups.max() + 1)[groups]
        margin = common + np.sqrt(shared["arm"]) * of_arm
        margin = margin + np.sqrt(alone) * rng.normal(size=(seeds, SAMPLES)) + scale * (of_seed + own)
        p = expit(3 * (margin + norm.ppf(ACCURACY + effect / 100) * np.sqrt(1 + scale**2)))
        p = np.round(p * 256).clip(0, 255) / 256 if levels else p
        arms[name] = {s: (None, labels, np.stack([p[s], 1 - p[s]], axis=1)) for s in range(seeds)}
    first, second = (next(iter(runs.values()))[2] for runs in list(arms.values())[:2])
    return arms, float(((first[:, 0] > first[:, 1]) != (second[:, 0] > second[:, 1])).mean())


def claims(number: int, of_arm: float, metrics: tuple[str, ...], *, grouped: bool = False) -> dict[str, Any]:
    """One study: what was claimed of accuracy alone and of all metrics together, and what other rules would have claimed."""
    rng = np.random.default_rng([int(1000 * of_arm), number, *([1] if grouped else [])])
    seeds, count = SEEDS[number % len(SEEDS)], GROUPS[number // len(SEEDS) % len(GROUPS)]
    groups = np.arange(SAMPLES) % count if grouped else None
    arms, discordance = simulate(
        rng, spread(rng, of_arm=of_arm), seeds, {"one": 0.0, "other": 0.0}, levels=bool(number // len(SEEDS) % 2),
        groups=groups,
    )  # fmt: skip
    pair = [("one", "other")]
    alone = verdict.judge(arms, pair, ["accuracy"], draws=DRAWS, seed=number, groups=groups)[0]
    family = verdict.judge(arms, pair, metrics, draws=DRAWS, seed=number) if len(metrics) > 1 else [alone]
    over_both = alone.over_both
    assert over_both is not None and alone.p_sign_flip is not None
    return {
        "seeds": seeds,
        **({"groups": count} if grouped else {}),
        "discordance": round(discordance, 4),
        "alone": alone.verdict != "no evidence",
        "family": any(found.verdict != "no evidence" for found in family),
        "by_metric": "+".join(found.metric for found in family if found.verdict != "no evidence") or "-",
        "covered": over_both.lower <= 0 <= over_both.upper,
        "sign_flips": alone.p_sign_flip < 0.05,
        "percentiles": not over_both.percentile_lower <= 0 <= over_both.percentile_upper,
    }


def summary(studies: list[dict[str, Any]]) -> dict[str, Any]:
    """Claims by rule, for all studies and by number of seeds."""
    rules = ("alone", "family", "sign_flips", "percentiles")
    return {
        "studies": len(studies),
        "claims": {rule: sum(study[rule] for study in studies) for rule in rules},
        "claims_by_seeds": {
            seeds: {rule: sum(study[rule] for study in studies if study["seeds"] == seeds) for rule in rules}
            for seeds in SEEDS
        },
        "interval_covers": round(float(np.mean([study["covered"] for study in studies])), 4),
        "median_discordance": round(float(np.median([study["discordance"] for study in studies])), 4),
    }


def columns(rows: list[dict[str, Any]]) -> dict[str, str]:
    """One line per column, values in order: raw data that stays small."""
    return {
        key: " ".join(str(int(row[key]) if isinstance(row[key], bool) else row[key]) for row in rows) for key in rows[0]
    }


def main() -> None:
    quick = arguments(__doc__).quick
    count, start = quick.of(1000, 40, 2), time.perf_counter()
    same = []
    for number in range(count):
        same.append(claims(number, 0.0, FAMILY))
        if not (number + 1) % 50:
            say(f"{number + 1} studies, {time.perf_counter() - start:.0f} s: {summary(same)['claims']}")
    differing = [claims(number, 0.1, ("accuracy",)) for number in range(count)]
    say(f"arms that err on different samples: {summary(differing)['claims']}")
    grouped = [claims(number, 0.02, ("accuracy",), grouped=True) for number in range(count)]
    by_groups = {g: [study for study in grouped if study["groups"] == g] for g in GROUPS}
    of_groups = {g: {"studies": len(own), "claims": sum(s["alone"] for s in own)} for g, own in by_groups.items()}
    say(f"arms that find other groups hard: {of_groups}")
    found = summary(same)
    worst = max(found["claims"]["alone"], found["claims"]["family"])
    detail = {
        "same_distribution": found,
        "arms_err_on_different_samples": summary(differing),
        "arms_find_other_groups_hard": summary(grouped) | {"by_groups": of_groups},
        "samples": SAMPLES, "draws": DRAWS, "metrics_judged_together": FAMILY, "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip
    raw = {"same_distribution": columns(same), "different_samples": columns(differing), "groups": columns(grouped)}
    record(
        "verdict_null", 1000 * worst / count, "false claims in 1,000 studies", "<= 63, accuracy alone and the family",
        None if quick else worst <= 63, detail, raw, quick,
    )  # fmt: skip


if __name__ == "__main__":
    run(main)
