"""Label the samples whose two most probable classes are closest (Scheffer et al. 2001).

Cost: O(NK). Uses only the two most probable classes, so it is less drawn to outliers than entropy; like entropy, it repeats
itself when many samples are chosen at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekit.types import Pool


def rank(pool: Pool, *, count: int, seed: int) -> NDArray[np.float32]:
    """(N,) float32 second largest minus largest probability, in [-1, 0], higher = label earlier."""
    largest = np.sort(pool.pred_probs.astype(np.float64), axis=1)[:, -2:]
    return np.asarray(largest[:, 0] - largest[:, -1], np.float32)
