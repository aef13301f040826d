"""Paired tests on the same test samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """only_a, only_b: samples that only A, only B gets right. difference = accuracy of A - accuracy of B."""

    only_a: int
    only_b: int
    difference: float
    exact_p: float
    mid_p: float


def mcnemar(correct_a: NDArray[np.bool_], correct_b: NDArray[np.bool_]) -> McNemar:
    """McNemar's exact test and its mid-p form (Fagerland et al. 2013) of two files on the same samples, two-sided.

    Args:
        correct_a, correct_b: (N,) bool, in the same order of samples.
    """
    from scipy.stats import binom, binomtest

    only_a, only_b = int((correct_a & ~correct_b).sum()), int((~correct_a & correct_b).sum())
    discordant = only_a + only_b
    if discordant == 0:
        exact = mid = 1.0
    else:
        exact = float(binomtest(min(only_a, only_b), discordant).pvalue)
        mid = exact - float(binom.pmf(min(only_a, only_b), discordant, 0.5))
    difference = float(correct_a.mean() - correct_b.mean())
    return McNemar(only_a=only_a, only_b=only_b, difference=difference, exact_p=exact, mid_p=mid)
