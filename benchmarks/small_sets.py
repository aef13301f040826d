"""The sets of small_data.py: draws from four public sets, and drawings made here, as files that a user would have.

Nothing is picked by hand: a seed decides the classes, the samples and the drawings. Uneven sets go from the most frequent class
to the rarest in equal ratios, `ratio` to 1 in all; test samples are even, so that a rare class counts as much as a common one.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edgekit import data

_TEST = 1_000
_SIDE, _ROOM = 64, 2  # pixels of a drawing, and how many times larger it is drawn


class Asked(NamedTuple):
    """A set: where from, how many classes and samples, most frequent class to the rarest."""

    source: str
    classes: int
    n: int
    ratio: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.source}, {self.classes} classes, n = {self.n:,}" + (
            f", {self.ratio:.0f}:1" if self.ratio > 1 else ""
        )


def make(asked: Asked, draw: int, folder: Path) -> Path:
    """Write draw number `draw` of a set below `folder`; returns what --data takes."""
    rng = np.random.default_rng([draw, asked.n, asked.classes])
    if asked.source == "drawings":
        each = -(-_TEST // asked.classes)
        shapes = rng.uniform(-0.75, 0.75, (asked.classes, 5, 2))
        sizes = _sizes(asked)
        y_train, y_test = (np.repeat(np.arange(asked.classes), count) for count in (sizes, each))
        x_train, x_test = (np.stack([_drawn(shapes[k], rng) for k in y])[..., None] for y in (y_train, y_test))
    else:
        whole = data.load(asked.source, split=False)
        some = np.sort(rng.permutation(len(whole.classes))[: asked.classes])
        train = _rows(whole.train.y, some, _sizes(asked), rng)
        test = _rows(whole.test.y, some, np.full(asked.classes, -(-_TEST // asked.classes)), rng)
        if whole.root is not None:
            for part, split, rows in (("train", whole.train, train), ("test", whole.test, test)):
                for name, k in zip(split.ids[rows], split.y[rows], strict=True):
                    into = folder / "clips" / part / whole.classes[k]
                    into.mkdir(parents=True, exist_ok=True)
                    shutil.copy(whole.root / name, into)
            return folder / "clips"
        x_train, x_test = whole.train.x[train], whole.test.x[test]
        y_train, y_test = (
            np.searchsorted(some, split.y[rows]) for split, rows in ((whole.train, train), (whole.test, test))
        )
    np.savez(folder / "set.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return folder / "set.npz"


def _sizes(asked: Asked) -> NDArray[np.int64]:
    """How many samples of each class, `n` in all, at least 3 each."""
    share = np.geomspace(asked.ratio, 1, asked.classes)
    sizes = np.maximum(3, np.floor(share / share.sum() * asked.n)).astype(np.int64)
    sizes[0] += max(0, asked.n - sizes.sum())
    return sizes


def _rows(
    labels: NDArray[np.int64], some: NDArray[np.int64], sizes: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    order = rng.permutation(len(labels))
    return np.sort(np.concatenate([order[labels[order] == k][:count] for k, count in zip(some, sizes, strict=True)]))


def _drawn(shape: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(64, 64): one line through the five points of its class, drawn each time by an unsteady hand, on noise."""
    angle, size = rng.normal(0, 0.15), rng.uniform(0.75, 1.1)
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (shape + rng.normal(0, 0.1, shape.shape)) @ turn + rng.normal(0, 0.08, 2)
    side = _SIDE * _ROOM
    canvas = Image.new("L", (side, side), 0)
    pixels = [tuple(float(v) for v in (point + 1) / 2 * side) for point in points]
    width = int(rng.integers(2, 7)) * _ROOM
    ImageDraw.Draw(canvas).line(pixels, fill=int(rng.integers(150, 256)), width=width, joint="curve")
    small = np.asarray(canvas.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)
    return np.clip(small + rng.normal(0, 12, small.shape), 0, 255).astype(np.uint8)
