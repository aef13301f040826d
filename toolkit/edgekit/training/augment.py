"""Label-preserving augmentation of a batch, in NumPy: cheap beside a training step and equal on every backend.

"shift" moves an image by up to one 28th of its side (1 pixel at 28); "shift-flip" also mirrors half of them.
"auto" mirrors only where the data says that a mirrored image keeps its label (clothes do, digits do not).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Augment = Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]


def resolve(name: str, *, mirrored: bool) -> str:
    """The concrete augmentation behind "auto": "shift-flip" where labels survive mirroring, else "shift"."""
    return ("shift-flip" if mirrored else "shift") if name == "auto" else name


def augmentation(name: str) -> Augment:
    """The function of a concrete name: "none", "shift" or "shift-flip"; (B, H, W, C) -> same shape and dtype."""
    if name == "none":
        return lambda x, rng: x
    flip = name == "shift-flip"
    return lambda x, rng: _shift(x, rng, flip=flip)


def _shift(x: NDArray[Any], rng: np.random.Generator, *, flip: bool) -> NDArray[Any]:
    count, height, width, _ = x.shape
    down, right = max(1, height // 28), max(1, width // 28)
    padded = np.pad(x, ((0, 0), (down, down), (right, right), (0, 0)), mode="edge")
    rows = np.arange(height) + rng.integers(0, 2 * down + 1, (count, 1))
    columns = np.arange(width) + rng.integers(0, 2 * right + 1, (count, 1))
    if flip:
        columns = np.where(rng.random((count, 1)) < 0.5, columns[:, ::-1], columns)
    moved: NDArray[Any] = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved
