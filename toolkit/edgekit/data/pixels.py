"""The input contract of every image artifact: pixel / 255 as float32 in [0, 1]."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekit.types import Images


def to_float(x: NDArray[Any]) -> NDArray[np.float32]:
    """uint8 pixels -> float32 in [0, 1]; floats (already in [0, 1]) pass unchanged."""
    return x.astype(np.float32) / np.float32(255) if x.dtype == np.uint8 else x.astype(np.float32, copy=False)


# The input ranges that a model file from elsewhere may expect.
InputRange = Literal["0-1", "0-255", "signed"]
RANGES: dict[InputRange, tuple[float, float]] = {"0-1": (0.0, 1.0), "0-255": (0.0, 255.0), "signed": (-1.0, 1.0)}


def scaled(x: Images, input_range: InputRange) -> Images:
    """Pixels in the range that a file expects: for 0-1 unchanged (uint8 too); else float32, all in memory."""
    if input_range == "0-1":
        return x
    low, high = RANGES[input_range]
    return to_float(x[:]) * np.float32(high - low) + np.float32(low)
