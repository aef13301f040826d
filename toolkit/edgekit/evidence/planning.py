"""How many RNG seeds and test samples does a claim need, and how small an effect can a study see?

Formulas: docs/methods.md, "Sample size and power".

For two files on the same samples only samples matter (Connor 1987); a claim about a method needs seeds too. What a study of
methods can detect follows from three spreads, which `spreads` estimates from a pilot (or an earlier study with the same data).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgekit.evidence.bootstrap import Hierarchical
from edgekit.evidence.permutation import least_seeds

LEVEL, POWER = 0.05, 0.8
MOST_SEEDS, MOST_SAMPLES = 200, 10**8
_STUDIES = 10_000  # simulated studies behind each power
_SIGN_FLIP_BINDS = 10  # with more seeds the t-test of `verdict.judge` implies its sign-flip test


def paired_samples(discordance: float, difference: float, *, level: float = LEVEL, power: float = POWER) -> int:
    """Test samples for McNemar's test of two files to detect `difference` in accuracy with chance `power` (Connor 1987).

    Args:
        discordance: share of samples that exactly one file gets right, at least |difference|; .05 to .10 is usual.

    Raises:
        ValueError: difference 0, or a discordance below it or above 1.
    """
    if not 0 < abs(difference) <= discordance <= 1:
        raise ValueError(f"expected 0 < |difference| <= discordance <= 1; found {difference} and {discordance}")
    spread = math.sqrt(discordance - difference**2)
    z = _z(1 - level / 2) * math.sqrt(discordance) + _z(power) * spread
    return math.ceil((z / difference) ** 2)


def paired_difference(discordance: float, n: int, *, level: float = LEVEL, power: float = POWER) -> float:
    """The smallest difference in accuracy of two files detectable with n test samples: the inverse of `paired_samples`.

    Infinite if even the largest difference that the discordance allows is too small.
    """
    from scipy.optimize import brentq

    def missing(d: float) -> float:
        return (
            _z(1 - level / 2) * math.sqrt(discordance)
            + _z(power) * math.sqrt(max(0.0, discordance - d * d))
            - d * math.sqrt(n)
        )

    return math.inf if missing(discordance) > 0 else float(brentq(missing, 0, discordance))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spreads:
    """Standard deviations of a paired difference between two arms, in the metric's unit.

    seed: between RNG seeds, on infinitely many test samples. sample: between test samples, per sample, shared by all seeds.
    residual: for one sample and one seed, per sample.
    """

    seed: float
    sample: float
    residual: float

    def variances(self, seeds: int, samples: int) -> tuple[float, float]:
        """Variance of the mean difference of a study: (the part that more seeds reduce, the part that only samples reduce)."""
        return (self.seed**2 + self.residual**2 / samples) / seeds, self.sample**2 / samples


def spreads(pilot: Hierarchical, samples: int, *, caution: float = 0.8) -> Spreads:
    """The spreads estimated from a pilot, on the safe side.

    A standard deviation from few seeds is uncertain; planning with the estimate itself reaches its power only half of the time.
    So the variance between seeds is set to its upper `caution` confidence limit (Browne 1995).

    Args:
        pilot: `over_both` of a verdict on it.
        samples: test samples (or groups) of the pilot.
        caution: confidence of that limit; .5 is about the estimate itself.
    """
    from scipy.stats import chi2

    freedom = pilot.seeds - 1
    total = pilot.seed_se**2 * pilot.seeds * freedom / float(chi2.ppf(1 - caution, freedom))
    residual = min(pilot.residual_se**2, total)
    return Spreads(
        seed=math.sqrt(total - residual),
        sample=pilot.sample_se * math.sqrt(samples),
        residual=math.sqrt(residual * samples),
    )


def detectable_effect(
    known: Spreads, seeds: int, samples: int, *, comparisons: int = 1, level: float = LEVEL, power: float = POWER
) -> float:
    """The smallest true effect that `verdict.judge` calls "better" (or "worse") with chance `power`, in the metric's unit.

    Args:
        comparisons: arms x metrics judged together; the first step of Holm's correction is planned for.

    Returns:
        Infinity with fewer seeds than a verdict needs.
    """
    if seeds < least_seeds(level):
        return math.inf
    between, common = known.variances(seeds, samples)
    total = between + common
    if total == 0:
        return 0.0
    # Rounded, so that the underlying simulations are shared.
    share = round(common / total, 2)
    return _effect_in_se(seeds, share, samples, level / comparisons, level, power) * math.sqrt(total)


def effect_detectable_by(interval: Hierarchical, samples: int, *, comparisons: int = 1) -> float:
    """The true effect that a study with exactly the standard errors of `interval` calls better or worse in about 80 % of cases.

    Args:
        samples, comparisons: as in `detectable_effect`, which plans the next study on the safe side instead.
    """
    if interval.seeds < least_seeds(LEVEL):
        return math.inf
    if interval.se == 0:
        return 0.0
    # In steps, so that the underlying simulations are shared.
    share = round(20 * (interval.sample_se / interval.se) ** 2) / 20
    return _effect_in_se(interval.seeds, share, samples, LEVEL / comparisons, LEVEL, POWER) * interval.se


def seeds_needed(
    known: Spreads, effect: float, samples: int, *, comparisons: int = 1, level: float = LEVEL, power: float = POWER
) -> int | None:
    """The fewest RNG seeds to detect an effect of that size; None if no number suffices with these test samples."""

    def enough(seeds: int) -> bool:
        detectable = detectable_effect(known, seeds, samples, comparisons=comparisons, level=level, power=power)
        return detectable <= abs(effect)

    return _least(enough, least_seeds(level), MOST_SEEDS)


def samples_needed(
    known: Spreads, effect: float, seeds: int, *, comparisons: int = 1, level: float = LEVEL, power: float = POWER
) -> int | None:
    """The fewest test samples to detect an effect of that size; None if no number suffices with these seeds."""

    def enough(samples: int) -> bool:
        detectable = detectable_effect(known, seeds, samples, comparisons=comparisons, level=level, power=power)
        return detectable <= abs(effect)

    return _least(enough, 2, MOST_SAMPLES)


def _least(enough: Callable[[int], bool], low: int, high: int) -> int | None:
    """Bisection for the smallest sufficient integer in [low, high]; `enough` must be monotonic."""
    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


@lru_cache(maxsize=4096)
def _effect_in_se(seeds: int, share: float, samples: int, corrected_level: float, level: float, power: float) -> float:
    """The effect, in standard errors, at which simulated normal studies pass both tests of `verdict.judge` often enough."""
    from scipy.stats import t

    rng = np.random.default_rng(0)
    noise = rng.normal(size=(_STUDIES, seeds)) * math.sqrt((1 - share) * seeds)
    noise += rng.normal(size=(_STUDIES, 1)) * math.sqrt(share)
    between = noise.var(axis=1, ddof=1) / seeds
    variance = between + share
    freedom = variance**2 / (between**2 / (seeds - 1) + share**2 / max(1, samples - 1))
    needed = t.ppf(1 - corrected_level / 2, freedom) * np.sqrt(variance)
    mean = noise.mean(axis=1)
    signs = flipped = None
    if seeds <= _SIGN_FLIP_BINDS:
        # One half of all sign patterns: the other half has the same absolute sums.
        patterns = np.arange(2 ** (seeds - 1))
        signs = 1.0 - 2 * ((patterns[:, None] >> np.arange(seeds)) & 1)
        flipped = noise @ signs.T / seeds

    def reached(effect: float) -> float:
        seen = np.abs(mean + effect)
        passed = seen > needed
        if signs is not None and flipped is not None:
            chosen = np.flatnonzero(passed)
            sums = np.abs(flipped[chosen] + effect * signs.mean(axis=1))
            passed[chosen] = (sums >= seen[chosen, None] - 1e-12).mean(axis=1) < level
        return float(passed.mean())

    low, high = 0.0, 4.0
    while reached(high) < power:
        low, high = high, 2 * high
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) >= power else (middle, high)
    return high


def _z(probability: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(probability))
