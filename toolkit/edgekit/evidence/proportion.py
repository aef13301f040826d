"""Intervals of a share, and of the mean of several shares."""

from __future__ import annotations

import math
from collections.abc import Sequence

_Z = 1.959963984540054  # the normal distribution's 97.5 % point


def wilson(share: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a share of n > 0 samples, which need not be whole (Wilson 1927, without continuity correction)."""
    center, spread = share + _Z**2 / (2 * n), _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    low, high = ((center + side) / (1 + _Z**2 / n) for side in (-spread, spread))
    # At the ends of the scale the interval ends there too, which rounding may miss.
    return (0.0 if share == 0 else low), (1.0 if share == 1 else high)


def mean_interval(shares: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """The 95 % interval of the plain mean of (share, n), each from separate samples, such as the recalls of classes.

    The distances from each share to its Wilson limits are squared and added (Zou and Donner 2008, "MOVER"), so that classes with
    few samples count as uncertain even if all of them are right.
    """
    mean = sum(share for share, _ in shares) / len(shares)
    limits = [(share, *wilson(share, n)) for share, n in shares]
    below = math.hypot(*(share - low for share, low, _ in limits)) / len(shares)
    above = math.hypot(*(high - share for share, _, high in limits)) / len(shares)
    return max(0.0, mean - below), min(1.0, mean + above)
