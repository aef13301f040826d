"""What the evidence allows to say about a method: "better", "worse" or "no evidence".

One RNG seed compares two files, not two methods: a paired sign-flip test over S seeds cannot go below p = 2/2^S, so at least
six are needed for p < .05 (docs/methods.md, "Sign-flip test"). With six or more, an arm is called better or worse than
its control if two tests say so: the t-test over seeds and test samples (`bootstrap.hierarchical`), at 5 % after Holm's correction
over all that is judged together; and the exact sign-flip test over seeds, which assumes no normal distribution, at 5 % before it
(after it, six seeds could never judge two metrics).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError
from edgekit.evidence import bootstrap, planning, weighted
from edgekit.evidence.bootstrap import Hierarchical
from edgekit.evidence.permutation import least_seeds, sign_flip
from edgekit.evidence.planning import LEVEL
from edgekit.evidence.runs import Arms, arms_of, paired_seeds, same_samples, unfit
from edgekit.evidence.significance import holm

LEAST_SEEDS = least_seeds(LEVEL)
LEAST_GROUPS = 5
"""Of test samples (speakers, sites); with fewer, an interval for other groups fails too often (benchmarks/verdict_null.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One metric of one arm against its control.

    verdict: "better", "worse", "no evidence" or "no evidence (3 seeds)", about the arm, whichever direction the metric has.
    effect: arm - control, mean over seeds (`effects` per seed), with its 95 % interval for other seeds and other test
    samples; only for other samples if there is one seed; NaN if there is none. over_both: its derivation, from two seeds on.
    p, p_holm, p_sign_flip: None with fewer than six seeds (or five groups). detectable: the effect that such a study would detect
    with about 80 % chance (`planning.effect_detectable_by`). seeds: those that count. compared: arms x metrics judged together.
    excluded: why other seeds do not count. next: what to do, or None.
    """

    arm: str
    control: str
    metric: str
    higher_is_better: bool
    verdict: str
    arm_value: float
    control_value: float
    effect: float
    lower: float
    upper: float
    p: float | None
    p_holm: float | None
    p_sign_flip: float | None
    detectable: float | None
    effects: tuple[float, ...]
    over_both: Hierarchical | None
    seeds: tuple[int, ...]
    samples: int
    compared: int
    correction: str
    excluded: tuple[str, ...]
    next: str | None

    @property
    def rests_on(self) -> str:
        """Seeds, samples and correction in one line."""
        return f"{_counted(len(self.seeds), 'paired RNG seed')} x {self.samples} test samples; {self.correction}"

    @property
    def sentence(self) -> str:
        """All of it in one sentence, for a terminal or a report."""
        text = f"{self.arm} against {self.control}, {self.metric}: {self.verdict}"
        if self.effects:
            known = f"95 % interval {self.lower:+.4g} to {self.upper:+.4g}"
            text += f"; {self.effect:+.4g} ({'no interval' if math.isnan(self.lower) else known})"
        if self.p_holm is not None:
            text += f", p {self.p_holm:.2g} corrected, sign flips p {self.p_sign_flip:.2g}"
        return f"{text}; rests on {self.rests_on}."

    def row(self) -> dict[str, Any]:
        """For JSON: all fields but `over_both`, and `rests_on`; values that are not numbers are None."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "over_both"}
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()} | {"rests_on": self.rests_on}
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}


def judge(
    arms: Arms,
    comparisons: Sequence[tuple[str, str]],
    metrics: Sequence[str] = ("accuracy", "augrc"),
    *,
    draws: int = bootstrap.DRAWS,
    seed: int = 0,
    groups: NDArray[Any] | None = None,
) -> list[Verdict]:
    """A verdict for each (arm, control) and each metric, paired by RNG seed and test sample.

    Everything judged in one call is corrected together: pass everything that will be shown together. Fix the number of seeds
    before looking at results: adding seeds until a verdict appears is not a test.

    Args:
        arms: the runs. A seed counts if both arms have a run with finite values; which seeds do not, and why, is in
            `excluded`. A seed that repeats another's predictions in both arms is no further evidence and counts once.
        metrics: keys of `edgekit.evidence.weighted.METRICS`; right-or-wrong runs only have accuracy.
        draws: resamples of the test samples, for their share of the error; 500 are enough.
        seed: of those resamples.
        groups: (N,) group of each test sample, if samples of a group (a speaker, a site) are alike. Fewer than `LEAST_GROUPS`
            are described, not judged; a single one has no interval.

    Raises:
        UnknownName: no such arm or metric.
        UsageError: nothing to compare, or an arm with itself.
        IntegrityError: two runs were tested on different samples.
        DataError: inconsistent shapes, or right-or-wrong runs with a metric that needs probabilities.
    """
    wanted = arms_of(arms, comparisons, metrics)
    count = same_samples(arms, wanted)
    if groups is not None and len(groups) != count:
        raise DataError(f"{len(groups)} groups were given for {count} test samples.")
    reasons = {(a, s): unfit(run) for a in wanted for s, run in arms[a].items()}
    keys = [key for key, reason in reasons.items() if reason is None]
    values, drawn = _evaluate(arms, keys, metrics, count, draws, seed, groups)
    units = count if groups is None else len(np.unique(groups))

    rows: list[dict[str, Any]] = []
    for arm, control in comparisons:
        seeds, excluded = paired_seeds(arms, arm, control, reasons)
        for metric in metrics:
            row: dict[str, Any] = {
                "arm": arm,
                "control": control,
                "metric": metric,
                "seeds": seeds,
                "excluded": excluded,
            }
            if seeds:
                a, b = (np.array([values[name, s, metric] for s in seeds]) for name in (arm, control))
                resampled = np.stack([drawn[arm, s, metric] - drawn[control, s, metric] for s in seeds], axis=1)
                row |= _effect(a, b, resampled, units)
            rows.append(row)
    judged = [row for row in rows if row.get("p") is not None]
    for row, corrected in zip(judged, holm([row["p"] for row in judged]), strict=True):
        row["p_holm"] = corrected
    return [_verdict(row, count, units, len(judged)) for row in rows]


def _evaluate(
    arms: Arms,
    keys: Sequence[tuple[str, int]],
    metrics: Sequence[str],
    n: int,
    draws: int,
    seed: int,
    groups: NDArray[Any] | None,
) -> tuple[dict[tuple[str, int, str], float], dict[tuple[str, int, str], NDArray[np.float64]]]:
    """Per (arm, seed, metric): its value, and its (draws,) values on resamples that are the same for all."""
    names, statistics = [], []
    for name, run_seed in keys:
        run = arms[name][run_seed]
        assert run is not None
        _, labels, predicted = run
        for metric in metrics:
            if predicted.ndim == 2:
                statistics.append(weighted.statistic(metric, predicted, labels))
            elif metric == "accuracy" and predicted.dtype == np.bool_:
                statistics.append(weighted.mean_of(predicted))
            else:
                raise DataError(
                    f"{metric} of {name} needs (N, K) probabilities; found {predicted.dtype} of {predicted.shape}."
                )
            names.append((name, run_seed, metric))
    if not names:
        return {}, {}
    values, drawn = bootstrap.draw(statistics, n, draws=draws, seed=seed, groups=groups)
    return dict(zip(names, values.tolist(), strict=True)), dict(zip(names, drawn.T, strict=True))


def _effect(
    a: NDArray[np.float64], b: NDArray[np.float64], resampled: NDArray[np.float64], units: int
) -> dict[str, Any]:
    """Values, effect and interval over seeds; tests only from six seeds and five groups."""
    differences = a - b
    result: dict[str, Any] = {"arm_value": float(a.mean()), "control_value": float(b.mean()),
                             "effects": tuple(differences.tolist()), "effect": float(differences.mean())}  # fmt: skip
    if units < 2:
        return result
    if len(differences) == 1:
        lower, upper = np.percentile(resampled[:, 0], [50 * LEVEL, 100 - 50 * LEVEL])
        return result | {"lower": float(lower), "upper": float(upper)}
    over_both = bootstrap.hierarchical(differences, resampled, units=units, level=1 - LEVEL)
    result |= {"lower": over_both.lower, "upper": over_both.upper, "over_both": over_both}
    if len(differences) >= LEAST_SEEDS and units >= LEAST_GROUPS:
        result |= {"p": over_both.p, "p_sign_flip": sign_flip(differences)}
    return result


def _verdict(row: dict[str, Any], samples: int, units: int, compared: int) -> Verdict:
    """The word for one comparison, and what to do next."""
    seeds, direction = len(row["seeds"]), weighted.METRICS[row["metric"]].higher_is_better
    nan = math.nan
    row = {"arm_value": nan, "control_value": nan, "effect": nan, "lower": nan, "upper": nan, "effects": (), **row}
    over_both: Hierarchical | None = row.get("over_both")
    p_holm, detectable, following = row.get("p_holm"), None, None
    if units < LEAST_GROUPS and units != samples:
        word = f"no evidence ({_counted(units, 'group')})"
        following = f"test samples of more groups: a verdict needs at least {LEAST_GROUPS}"
        correction = f"described, not judged: fewer than {LEAST_GROUPS} groups"
    elif p_holm is None or over_both is None:
        word = f"no evidence ({_counted(seeds, 'seed')})"
        following = f"a study of at least {LEAST_SEEDS} paired RNG seeds, with the number fixed in advance"
        correction = f"described, not judged: fewer than {LEAST_SEEDS} seeds"
    else:
        # For the smallest p of the family, where Holm's correction starts.
        detectable = planning.effect_detectable_by(over_both, units, comparisons=compared)
        correction = f"Holm over {_counted(compared, 'comparison')} at {LEVEL:.0%}, and sign flips at {LEVEL:.0%}"
        if p_holm < LEVEL and row["p_sign_flip"] < LEVEL:
            word = "better" if (row["effect"] > 0) == direction else "worse"
        else:
            word = "no evidence"
            following = (
                f"effects below about {detectable:.2g} are too small for this study; to detect smaller ones, plan a new one "
                "with more RNG seeds or test samples"
            )
    if units != samples:
        correction += f"; samples drawn by {_counted(units, 'group')}"
    return Verdict(
        arm=row["arm"],
        control=row["control"],
        metric=row["metric"],
        higher_is_better=direction,
        verdict=word,
        arm_value=row["arm_value"],
        control_value=row["control_value"],
        effect=row["effect"],
        lower=row["lower"],
        upper=row["upper"],
        p=row.get("p"),
        p_holm=p_holm,
        p_sign_flip=row.get("p_sign_flip"),
        detectable=detectable,
        effects=row["effects"],
        over_both=over_both,
        seeds=row["seeds"],
        samples=samples,
        compared=compared,
        correction=correction,
        excluded=row["excluded"],
        next=following,
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def on_method(method: str, seeds: int) -> Mapping[str, Any]:
    """The verdict on a curation method after `seeds` paired RNG seeds, and the next step."""
    if method == "none":
        return {"verdict": "nothing to judge: no curation", "seeds": seeds, "next": None}
    return {
        "verdict": f"no evidence ({_counted(seeds, 'seed')})",
        "seeds": seeds,
        "next": (
            f"`edgekit study FILE.yaml`, with at least {LEAST_SEEDS} paired RNG seeds against random removal of the same size"
        ),
    }
