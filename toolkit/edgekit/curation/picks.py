"""From an order of choice, or from several scores, to one score per sample: higher = choose earlier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def scores_of_picks(picked: Sequence[int], rest: NDArray[Any]) -> NDArray[np.float32]:
    """Scores for a greedy choice of some of N samples.

    Args:
        picked: the chosen samples, first choice first.
        rest: (N,) finite, the order of the samples that were not chosen, higher = earlier.

    Returns:
        (N,) float32: p + 1 for the first of p choices down to 2 for the last; the others in [0, 1] by `rest`.
    """
    scores = shares_of_ranks(rest)
    scores[list(picked)] = np.arange(len(picked) + 1, 1, -1)
    return scores.astype(np.float32)


def shares_of_ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """(N,) -> (N,) float64 ranks scaled to [0, 1], 1 for the largest; ties get their mean rank, a single sample 1."""
    if len(values) < 2:
        return np.ones(len(values))
    shares: NDArray[np.float64] = (rankdata(values) - 1) / (len(values) - 1)
    return shares
