"""The sets of small_data.py: draws from four public sets, and drawings made here, as files that a user would have.

Nothing is picked by hand: a seed decides the classes, the samples and the drawings. Uneven sets go from the most frequent class
to the rarest in equal ratios, `ratio` to 1 in all; test samples are even, so that a rare class counts as much as a common one.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from drawings import drawn, shapes
from numpy.typing import NDArray

from edgekit import data

_TEST = 1_000
_SIDE, _ROOM = 64, 2  # pixels of a drawing, and how many times larger it is drawn


class Spec(NamedTuple):
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


def make(spec: Spec, draw: int, folder: Path) -> Path:
    """Write draw number `draw` of a set below `folder`; returns what --data takes."""
    rng = np.random.default_rng([draw, spec.n, spec.classes])
    if spec.source == "drawings":
        each = -(-_TEST // spec.classes)
        points = shapes(spec.classes, rng)
        sizes = _sizes(spec)
        y_train, y_test = (np.repeat(np.arange(spec.classes), count) for count in (sizes, each))
        x_train, x_test = (
            np.stack([drawn(points[k], rng, side=_SIDE, room=_ROOM, pen=_pen) for k in y])[..., None]
            for y in (y_train, y_test)
        )
    else:
        whole = data.load(spec.source, split=False)
        some = np.sort(rng.permutation(len(whole.classes))[: spec.classes])
        train = _rows(whole.train.y, some, _sizes(spec), rng)
        test = _rows(whole.test.y, some, np.full(spec.classes, -(-_TEST // spec.classes)), rng)
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


def _sizes(spec: Spec) -> NDArray[np.int64]:
    """How many samples of each class, `n` in all, at least 3 each."""
    share = np.geomspace(spec.ratio, 1, spec.classes)
    sizes = np.maximum(3, np.floor(share / share.sum() * spec.n)).astype(np.int64)
    sizes[0] += max(0, spec.n - sizes.sum())
    return sizes


def _rows(
    labels: NDArray[np.int64], some: NDArray[np.int64], sizes: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    order = rng.permutation(len(labels))
    return np.sort(np.concatenate([order[labels[order] == k][:count] for k, count in zip(some, sizes, strict=True)]))


def _pen(rng: np.random.Generator) -> tuple[int, int]:
    width = int(rng.integers(2, 7))  # drawn first: the sets must stay what they were
    return int(rng.integers(150, 256)), width
