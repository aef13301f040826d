"""The median of latencies, and how far it may be off."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

_BLOCKS, _DRAWS, _LEVEL = 40, 1000, 0.95
# More raw values than this tell the median no better, and the resampling costs by the value.
_MOST = 4_000


def median_interval(values: ArrayLike, *, seed: int = 0) -> tuple[float, float, float]:
    """The median with its 95 % percentile bootstrap interval, from consecutive blocks.

    Latencies that follow each other are alike (a slow spell lasts many runs), so blocks are drawn and not single values, as in
    the non-overlapping block bootstrap (Carlstein 1986): an interval of single values would be far too narrow.

    Args:
        values: (N,) at least one, in the order they were measured; any unit.

    Returns:
        (median, lower, upper) in the unit of `values`. With fewer than 3 values the interval is their range.
    """
    ordered = np.asarray(values, dtype=np.float64)
    if not len(ordered):
        raise ValueError("no values")
    middle = float(np.median(ordered))
    if len(ordered) < 3:
        return middle, float(ordered.min()), float(ordered.max())
    thinned = ordered[:: -(-len(ordered) // _MOST)]
    count = min(_BLOCKS, len(thinned))
    size = len(thinned) // count
    blocks = thinned[: count * size].reshape(count, size)
    rng = np.random.default_rng(seed)
    medians = [np.median(blocks[rng.integers(0, count, count)]) for _ in range(_DRAWS)]
    tail = 100 * (1 - _LEVEL) / 2
    lower, upper = np.percentile(medians, [tail, 100 - tail])
    return middle, float(min(lower, middle)), float(max(upper, middle))
