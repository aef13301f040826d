"""The small sets of curation_small.py: draws from four public sets and drawings, clean or with a tenth of the labels made wrong.

Nothing is picked by hand: a seed decides the classes, the samples and the drawings. Uneven sets go from the most frequent class
to the rarest in equal ratios, `ratio` to 1 in all. The validation samples lie beside the `n` training samples and follow the same
shares; in a noisy set their labels are as noisy as the rest, as a user's are.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edgekit import data
from edgekit.data.noise import with_wrong_labels
from edgekit.data.splits import frozen, split_of, take
from edgekit.sections import NoiseSection
from edgekit.types import Dataset, InputSpec, Split

_SIDE, _ROOM = 28, 4  # pixels of a drawing, and how many times larger it is drawn
_VALIDATION = 40  # samples at least


class Asked(NamedTuple):
    """A set: where from, how many classes and training samples, most frequent class to the rarest, share of wrong labels."""

    source: str
    classes: int
    n: int
    ratio: float = 1.0
    noise: float = 0.0
    seed: int = 0

    @property
    def name(self) -> str:
        """Such as "mnist, 10 classes, n = 500, 10:1, 10 % wrong labels"."""
        uneven = f", {self.ratio:.0f}:1" if self.ratio > 1 else ""
        wrong = f", {self.noise:.0%} wrong labels".replace("%", " %") if self.noise else ""
        return f"{self.source}, {self.classes} classes, n = {self.n:,}{uneven}{wrong}"


def make(asked: Asked) -> Dataset:
    """The set that was asked for; its validation samples are apart from training, and test and cal are empty."""
    rng = np.random.default_rng([asked.seed, asked.n, asked.classes])
    held = max(_VALIDATION, round(asked.n / 10), asked.classes)
    if asked.source == "drawings":
        sizes = _sizes(asked.n, asked) + _sizes(held, asked)
        x, y = drawings(sizes, rng)
        whole = Dataset(
            name="drawings", source="drawings", classes=tuple(str(k) for k in range(asked.classes)),
            input=InputSpec(shape=(_SIDE, _SIDE, 1)), train=split_of("train", x, y), val=split_of("val", x[:0], y[:0]),
            cal=split_of("cal", x[:0], y[:0]), test=split_of("test", x[:0], y[:0]), fingerprint="drawings",
        )  # fmt: skip
    else:
        whole = data.load(asked.source, split=False)
    some = np.sort(rng.permutation(len(whole.classes))[: asked.classes])
    order, train, val = rng.permutation(len(whole.train)), [], []
    for k, number, beside in zip(some, _sizes(asked.n, asked), _sizes(held, asked), strict=True):
        rows = order[whole.train.y[order] == k]
        train.append(rows[:number])
        val.append(rows[number : number + beside])
    parts = [_renumbered(take(whole.train, np.sort(np.concatenate(rows))), some) for rows in (train, val)]
    classes, flipped = tuple(whole.classes[k] for k in some), None
    if asked.noise:
        section = NoiseSection(kind="symmetric", rate=asked.noise)
        (parts[0], flipped), (parts[1], _) = (
            with_wrong_labels(p, classes, section, asked.seed + i) for i, p in enumerate(parts)
        )
    nothing = take(parts[1], np.zeros(0, np.int64))
    return dataclasses.replace(
        whole, classes=classes, train=parts[0], val=parts[1], cal=nothing, test=nothing, flipped=flipped,
        fingerprint=f"{whole.fingerprint}/{asked}",
    )  # fmt: skip


def _sizes(n: int, asked: Asked) -> NDArray[np.int64]:
    """How many samples of each class, `n` in all, at least 1 each."""
    share = np.geomspace(asked.ratio, 1, asked.classes)
    exact = share / share.sum() * n
    sizes = np.maximum(1, np.floor(exact).astype(np.int64))
    for k in np.argsort(sizes - exact, kind="stable")[: max(0, n - sizes.sum())]:
        sizes[k] += 1
    return sizes


def _renumbered(split: Split, classes: NDArray[np.int64]) -> Split:
    return dataclasses.replace(split, y=frozen(np.searchsorted(classes, split.y).astype(np.int64)))


def drawings(sizes: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(N, 28, 28, 1) uint8 and (N,) labels: each class is one line through five points, drawn each time by an unsteady hand."""
    shapes = rng.uniform(-0.75, 0.75, (len(sizes), 5, 2))
    y = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    x = np.stack([_drawn(shapes[k], rng) for k in y])
    return x[..., None], y.astype(np.int64)


def _drawn(shape: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
    angle, size = rng.normal(0, 0.15), rng.uniform(0.75, 1.1)
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (shape + rng.normal(0, 0.1, shape.shape)) @ turn + rng.normal(0, 0.08, 2)
    side = _SIDE * _ROOM
    canvas = Image.new("L", (side, side), 0)
    pixels: list[Any] = [tuple((point + 1) / 2 * side) for point in points]
    ImageDraw.Draw(canvas).line(
        pixels, fill=int(rng.integers(150, 256)), width=int(rng.integers(1, 4)) * _ROOM, joint="curve"
    )
    small = np.asarray(canvas.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)
    return np.clip(small + rng.normal(0, 12, small.shape), 0, 255).astype(np.uint8)
