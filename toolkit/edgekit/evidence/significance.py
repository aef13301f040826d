"""Paired tests on the same test samples, and correction for multiple tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """only_a, only_b: samples that only A, only B gets right. difference = accuracy of A - that of B, with its 95 % interval."""

    only_a: int
    only_b: int
    difference: float
    lower: float
    upper: float
    exact_p: float
    mid_p: float


def mcnemar(correct_a: NDArray[np.bool_], correct_b: NDArray[np.bool_]) -> McNemar:
    """McNemar's exact test and its mid-p form (Fagerland et al. 2013) of two files on the same samples, two-sided.

    The interval is the adjusted Wald interval of Agresti and Min (2005): half a sample is added to each of the four cells.

    Args:
        correct_a, correct_b: (N,) bool, in the same order of samples.
    """
    from scipy.stats import binom, binomtest, norm

    only_a, only_b = int((correct_a & ~correct_b).sum()), int((~correct_a & correct_b).sum())
    discordant = only_a + only_b
    if discordant == 0:
        exact = mid = 1.0
    else:
        exact = float(binomtest(min(only_a, only_b), discordant).pvalue)
        # Not exact - pmf, which equals this unless both sides have the same number: there the exact p is capped at 1.
        fewer = min(only_a, only_b)
        mid = min(1.0, float(2 * binom.cdf(fewer - 1, discordant, 0.5) + binom.pmf(fewer, discordant, 0.5)))
    n = len(correct_a) + 2
    center = (only_a - only_b) / n
    half = float(norm.ppf(0.975)) * math.sqrt(max(0.0, (discordant + 1) / n - center**2) / n)
    return McNemar(
        only_a=only_a,
        only_b=only_b,
        difference=float(correct_a.mean() - correct_b.mean()),
        lower=center - half,
        upper=center + half,
        exact_p=exact,
        mid_p=mid,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: p-values that keep the chance of any false claim at their level, in the given order.

    [.01, .04, .03, .005] -> [.03, .06, .06, .02].
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return [float(value) for value in corrected]
