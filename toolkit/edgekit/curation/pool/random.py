"""Label at random: the control that every other strategy must beat.

Cost: O(N). Needs neither a teacher nor embeddings, and its sample of the pool is unbiased: use it for a validation set.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekit.types import Pool


def rank(pool: Pool, *, count: int, seed: int) -> NDArray[np.float32]:
    """(N,) float32 uniform draws in [0, 1), higher = label earlier."""
    return np.random.default_rng(seed).random(len(pool.ids), dtype=np.float32)
