"""The input contract of every image artifact: pixel / 255 as float32 in [0, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_float(x: NDArray[Any]) -> NDArray[np.float32]:
    """uint8 pixels -> float32 in [0, 1]; floats (already in [0, 1]) pass unchanged."""
    return x.astype(np.float32) / np.float32(255) if x.dtype == np.uint8 else x.astype(np.float32, copy=False)
