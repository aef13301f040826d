"""Would the sign of the difference survive other RNG seeds? Exact sign-flip test over paired seeds.

Definition: docs/methods.md, "Sign-flip test".

If two arms are equivalent, each seed's difference is as likely to be d as -d. With S seeds there are 2^S such cases, and p is the
share of them in which the mean is at least as far from 0: never below 2/2^S, so five seeds cannot reach p < .05.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_EXACT_SEEDS = 20
_FLIPS = 200_000


def sign_flip(differences: NDArray[np.float64], *, seed: int = 0) -> float:
    """Two-sided p of mean difference 0; exact up to 20 seeds, by 200,000 random flips beyond.

    Equals scipy.stats.permutation_test(..., permutation_type="samples", n_resamples=inf), but sums are built by doubling.

    Args:
        differences: (S,) metric of arm A - arm B per paired seed, S >= 1.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not len(values):
        raise ValueError("no differences")
    if len(values) <= _EXACT_SEEDS:
        sums = np.zeros(1)
        for value in values:
            sums = np.concatenate([sums + value, sums - value])
    else:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], (_FLIPS, len(values)))
        signs[0] = 1  # the observed signs are one of the cases
        sums = signs @ values
    # Differences of accuracies are multiples of 1/N: equal sums must count as equal whatever the order of addition.
    limit = abs(values.sum()) - 1e-9 * np.abs(values).sum()
    return float((np.abs(sums) >= limit).mean())


def least_seeds(level: float = 0.05) -> int:
    """Seeds with which a sign-flip test can go below `level`: 6 for .05."""
    return math.floor(math.log2(2 / level)) + 1
