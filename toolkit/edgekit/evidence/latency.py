"""The median of latencies, and its uncertainty."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

_MOST_BLOCKS, _LEAST_LENGTH, _DRAWS, _LEVEL = 20, 10, 1000, 0.95
# More raw values do not improve the median, and the cost of resampling grows with them.
_MOST = 4_000


def median_interval(values: ArrayLike, *, seed: int = 0) -> tuple[float, float, float]:
    """The median with its 95 % block-bootstrap interval.

    Consecutive latencies are similar (a slow phase lasts many runs), so blocks of consecutive values are drawn instead of single
    values (Carlstein 1986): at most 20 blocks of at least 10 values. Few blocks make percentiles too narrow, so they are widened
    by t / z * sqrt(B / (B - 1)) for B blocks (Hesterberg 2015, arXiv 1411.5279, section 3). Slow phases longer than a block are
    still underestimated.

    Args:
        values: (N,) at least one, in the order they were measured; any unit.

    Returns:
        (median, lower, upper) in the unit of `values`. With fewer than 50 values the interval is their range.
    """
    ordered = np.asarray(values, dtype=np.float64)
    if not len(ordered):
        raise ValueError("no values")
    middle = float(np.median(ordered))
    if len(ordered) < 5 * _LEAST_LENGTH:
        return middle, float(ordered.min()), float(ordered.max())
    from scipy.special import ndtri, stdtrit

    count = min(_MOST_BLOCKS, len(ordered) // _LEAST_LENGTH)
    blocks = [block[:: -(-len(ordered) // _MOST)] for block in np.array_split(ordered, count)]
    rng = np.random.default_rng(seed)
    medians = [np.median(np.concatenate([blocks[b] for b in rng.integers(0, count, count)])) for _ in range(_DRAWS)]
    upper_tail = (1 + _LEVEL) / 2
    widened = stdtrit(count - 1, upper_tail) / ndtri(upper_tail) * (count / (count - 1)) ** 0.5
    lower, upper = np.percentile(medians, [100 * (1 - upper_tail), 100 * upper_tail])
    low, high = middle - widened * max(0.0, middle - lower), middle + widened * max(0.0, upper - middle)
    return middle, max(float(low), float(ordered.min())), min(float(high), float(ordered.max()))


def ratio_interval(values: ArrayLike, others: ArrayLike, *, seed: int = 0) -> tuple[float, float, float]:
    """The median over rounds of values[i] / others[i], with its interval as in `median_interval`.

    Args:
        values, others: (N,) each, measured in turn: value i of both belongs to round i, so that a slow phase of the machine hits
            both and does not change their ratio.
    """
    one, other = np.asarray(values, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if one.shape != other.shape:
        raise ValueError("expected two series of the same rounds")
    return median_interval(one / other, seed=seed)
