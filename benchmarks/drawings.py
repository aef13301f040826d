"""Drawings for benchmarks: each class is one line through five points, drawn each time by an unsteady hand, on noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pen = Callable[[np.random.Generator], tuple[int, int]]
"""Draws the gray value of a line and its width in pixels of the finished drawing."""


def fine(rng: np.random.Generator) -> tuple[int, int]:
    """The pen for 28x28 pixels."""
    return int(rng.integers(150, 256)), int(rng.integers(1, 4))


def shapes(classes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(classes, 5, 2): the points of each class, in [-1, 1]."""
    return rng.uniform(-0.75, 0.75, (classes, 5, 2))


def drawn(
    shape: NDArray[np.float64], rng: np.random.Generator, *, side: int = 28, room: int = 4, pen: Pen = fine
) -> NDArray[np.uint8]:
    """(side, side): a drawing of a class, made `room` times larger first."""
    angle, size = rng.normal(0, 0.15), rng.uniform(0.75, 1.1)
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (shape + rng.normal(0, 0.1, shape.shape)) @ turn + rng.normal(0, 0.08, 2)
    gray, width = pen(rng)
    canvas = Image.new("L", (side * room, side * room), 0)
    pixels = [(float(x), float(y)) for x, y in (points + 1) / 2 * (side * room)]
    ImageDraw.Draw(canvas).line(pixels, fill=gray, width=width * room, joint="curve")
    small = np.asarray(canvas.resize((side, side), Image.Resampling.BOX), np.float64)
    return np.clip(small + rng.normal(0, 12, small.shape), 0, 255).astype(np.uint8)


def drawings(sizes: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(N, 28, 28, 1) uint8 and (N,) labels in random order, `sizes` of each class."""
    of_class = shapes(len(sizes), rng)
    y = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return np.stack([drawn(of_class[k], rng) for k in y])[..., None], y.astype(np.int64)
