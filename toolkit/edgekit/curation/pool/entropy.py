"""Label the samples with the largest entropy H(p) = -sum_k p_k log p_k of the teacher (Settles 2009, Active learning survey).

Cost: O(NK). Do not use it to choose many at once: it takes the same kind of hard sample again and again, and outliers first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from edgekit.types import Pool


def rank(pool: Pool, *, count: int, seed: int) -> NDArray[np.float32]:
    """(N,) float32 entropy in nats, in [0, log K], higher = label earlier."""
    return np.asarray(entr(pool.pred_probs.astype(np.float64)).sum(axis=1), np.float32)
