"""How much would a figure change with other test samples, and with other RNG seeds? Paired and hierarchical bootstrap.

Everything is resampled jointly: one draw of test samples is used for all arms, seeds and metrics, so that what they share cancels
in a difference. `hierarchical` explains how its interval stays valid with few seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.evidence.weighted import Counts, Statistic

DRAWS = 1000
_CHUNK = 400_000  # counts at a time: they stay in the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An effect with its interval; `level` is the nominal coverage."""

    effect: float
    lower: float
    upper: float
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchical:
    """Effect over seeds and test samples: its interval, its standard error in two parts, and the two-sided t-test of effect 0.

    seed_se: from RNG seeds (and their effect on single samples). sample_se: from test samples that all seeds have in common.
    percentile_lower, percentile_upper: the plain percentile interval of the same draws, for comparison only.
    """

    effect: float
    lower: float
    upper: float
    level: float
    seeds: int
    se: float
    seed_se: float
    sample_se: float
    residual_se: float
    freedom: float
    p: float
    percentile_lower: float
    percentile_upper: float


def resamples(n: int, draws: int, seed: int, groups: NDArray[Any] | None = None) -> Iterator[Counts]:
    """Chunks of (B, N) float64 counts, `draws` rows in total: how often each sample is in a resample of N with replacement.

    Args:
        groups: (N,) group of each sample (a speaker, a site): whole groups are drawn, as many as there are, so that samples that
            belong together stay together.
    """
    rng = np.random.default_rng(seed)
    members = None if groups is None else np.unique(groups, return_inverse=True)[1]
    units = n if members is None else int(members.max()) + 1
    rows = max(1, _CHUNK // n)
    for start in range(0, draws, rows):
        size = min(rows, draws - start)
        drawn = rng.integers(0, units, (size, units)) + units * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units).astype(np.float64)
        yield counts if members is None else counts[:, members]


def draw(
    statistics: Sequence[Statistic], n: int, *, draws: int = DRAWS, seed: int = 0, groups: NDArray[Any] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """((M,) values on the data, (draws, M) values on the same resamples) of M statistics of N samples."""
    once = np.ones((1, n))
    values = np.array([float(statistic(once)[0]) for statistic in statistics])
    drawn = [
        np.stack([statistic(counts) for statistic in statistics], axis=1)
        for counts in resamples(n, draws, seed, groups)
    ]
    return values, np.concatenate(drawn)


def paired(
    a: Statistic,
    b: Statistic,
    n: int,
    *,
    draws: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
    groups: NDArray[Any] | None = None,
) -> Interval:
    """Percentile interval of a - b over resamples of the N test samples, the same ones for both.

    It is about these two files only: other RNG seeds may differ. For calibration use the debiased error: resampling adds to
    the plug-in bias.
    """
    (value_a, value_b), drawn = draw([a, b], n, draws=draws, seed=seed, groups=groups)
    lower, upper = np.percentile(drawn[:, 0] - drawn[:, 1], _tails(level))
    return Interval(effect=float(value_a - value_b), lower=float(lower), upper=float(upper), level=level)


def hierarchical(
    differences: NDArray[np.float64],
    drawn: NDArray[np.float64],
    *,
    units: int,
    level: float = 0.95,
    seed: int = 0,
) -> Hierarchical:
    """Interval and t-test of the mean difference over RNG seeds, for other seeds AND other test samples.

    The difference of seed s on a test set is mu + a_s + b + e_s: a varies over seeds, b is this test set's effect on all seeds, e
    its effect on one. With S seeds the mean has the variance (A + E)/S + B. Seeds show A + E; joint resampling of samples shows
    W = B + E within a seed and M = B + E/S in the mean. So B = (S M - W) / (S - 1), at least 0, and the interval is
    effect +- t SE, its degrees of freedom by Satterthwaite from those of seeds and samples.

    Why not percentiles of the plain hierarchical bootstrap (seeds, then samples)? With few seeds, resampling them shows only
    (S - 1)/S of their variance and none of its uncertainty, so the interval is too narrow where seeds dominate; where
    samples dominate, E enters three times (Owen 2007, "The pigeonhole bootstrap") and it is too wide. The tests of
    this module show the former, `benchmarks/verdict_null.py` the latter.

    Resampling G units, too, shows only (G - 1)/G of their variance, which matters if the units are few groups: W and M are
    multiplied by G/(G - 1).

    Args:
        differences: (S,) metric of arm A - arm B per seed, S >= 2.
        drawn: (draws, S) the same on joint resamples of the test samples.
        units: independent test samples (groups, if groups were drawn), G >= 2.

    Raises:
        ValueError: fewer than 2 seeds or units, or inconsistent shapes.
    """
    count = len(differences)
    if count < 2 or drawn.ndim != 2 or drawn.shape[1] != count:
        raise ValueError(f"expected (S,) and (draws, S), S >= 2; found {differences.shape} and {drawn.shape}")
    if units < 2:
        raise ValueError(f"expected at least 2 independent test samples or groups, found {units}")
    effect = float(differences.mean())
    between, common, residual = _variances(differences, drawn, units)
    se = math.sqrt(between + common)
    freedom = _freedom(between, count - 1, common, units - 1)
    # Rounding of equal values must not become evidence.
    negligible = abs(effect) <= 1e-12 * max(1.0, float(np.abs(differences).max()))
    half, p = _t_interval(0.0 if negligible else effect, se, freedom, level)
    chosen = np.random.default_rng(seed).integers(0, count, (len(drawn), count))
    percentiles = np.percentile(np.take_along_axis(drawn, chosen, axis=1).mean(axis=1), _tails(level))
    return Hierarchical(
        effect=effect,
        lower=effect - half,
        upper=effect + half,
        level=level,
        seeds=count,
        se=se,
        seed_se=math.sqrt(between),
        sample_se=math.sqrt(common),
        residual_se=math.sqrt(residual),
        freedom=freedom,
        p=p,
        percentile_lower=float(percentiles[0]),
        percentile_upper=float(percentiles[1]),
    )


def _variances(differences: NDArray[np.float64], drawn: NDArray[np.float64], units: int) -> tuple[float, float, float]:
    """(A + E)/S, B and E of `hierarchical`: between seeds, of test samples common to all seeds, and of those of one."""
    count, few = len(differences), units / (units - 1)
    within, of_mean = few * float(drawn.var(axis=0, ddof=1).mean()), few * float(drawn.mean(axis=1).var(ddof=1))
    common = max(0.0, (count * of_mean - within) / (count - 1))
    return float(differences.var(ddof=1)) / count, common, max(0.0, within - common)


def _freedom(between: float, of_seeds: int, common: float, of_samples: int) -> float:
    """Degrees of freedom of the sum of two variances, `between` seeds and `common` to them, from theirs (Satterthwaite)."""
    variance = between + common
    if variance <= 0:
        return float(of_seeds)
    return variance**2 / (between**2 / of_seeds + common**2 / max(1, of_samples))


def _t_interval(effect: float, se: float, freedom: float, level: float) -> tuple[float, float]:
    """Half the width of the interval, and the two-sided p of effect 0."""
    from scipy.stats import t

    half = float(t.ppf((1 + level) / 2, freedom)) * se
    if effect == 0:
        return half, 1.0
    return half, float(2 * t.sf(abs(effect) / se, freedom)) if se else 0.0


def _tails(level: float) -> list[float]:
    return [50 * (1 - level), 50 * (1 + level)]
