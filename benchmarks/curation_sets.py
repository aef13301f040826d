"""The small sets of curation_small.py: draws from four public sets and drawings, clean or with a tenth of the labels made wrong.

Nothing is picked by hand: a seed decides the classes, the samples and the drawings. Uneven sets go from the most frequent class
to the rarest in equal ratios, `ratio` to 1 in all. The validation samples lie beside the `n` training samples and follow the same
shares; in a noisy set their labels are as noisy as the rest, as a user's are.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from drawings import drawings
from numpy.typing import NDArray

from edgekit import data
from edgekit.data.noise import with_wrong_labels
from edgekit.data.splits import frozen, split_of, take
from edgekit.recipe import NoiseSection
from edgekit.types import Dataset, InputSpec, Split

_VALIDATION = 40  # samples at least


class Spec(NamedTuple):
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


def make(spec: Spec) -> Dataset:
    """The set that was asked for; its validation samples are apart from training, and test and cal are empty."""
    rng = np.random.default_rng([spec.seed, spec.n, spec.classes])
    held = max(_VALIDATION, round(spec.n / 10), spec.classes)
    if spec.source == "drawings":
        sizes = _sizes(spec.n, spec) + _sizes(held, spec)
        x, y = drawings(sizes, rng)
        whole = Dataset(
            name="drawings", source="drawings", classes=tuple(str(k) for k in range(spec.classes)),
            input=InputSpec(shape=x.shape[1:]), train=split_of("train", x, y), val=split_of("val", x[:0], y[:0]),
            cal=split_of("cal", x[:0], y[:0]), test=split_of("test", x[:0], y[:0]), fingerprint="drawings",
        )  # fmt: skip
    else:
        whole = data.load(spec.source, split=False)
    some = np.sort(rng.permutation(len(whole.classes))[: spec.classes])
    order, train, val = rng.permutation(len(whole.train)), [], []
    for k, number, beside in zip(some, _sizes(spec.n, spec), _sizes(held, spec), strict=True):
        rows = order[whole.train.y[order] == k]
        train.append(rows[:number])
        val.append(rows[number : number + beside])
    parts = [_renumbered(take(whole.train, np.sort(np.concatenate(rows))), some) for rows in (train, val)]
    classes, flipped = tuple(whole.classes[k] for k in some), None
    if spec.noise:
        section = NoiseSection(kind="symmetric", rate=spec.noise)
        (parts[0], flipped), (parts[1], _) = (
            with_wrong_labels(p, classes, section, spec.seed + i) for i, p in enumerate(parts)
        )
    nothing = take(parts[1], np.zeros(0, np.int64))
    return dataclasses.replace(
        whole, classes=classes, train=parts[0], val=parts[1], cal=nothing, test=nothing, flipped=flipped,
        fingerprint=f"{whole.fingerprint}/{spec}",
    )  # fmt: skip


def _sizes(n: int, spec: Spec) -> NDArray[np.int64]:
    """How many samples of each class, `n` in all, at least 1 each."""
    share = np.geomspace(spec.ratio, 1, spec.classes)
    exact = share / share.sum() * n
    sizes = np.maximum(1, np.floor(exact).astype(np.int64))
    for k in np.argsort(sizes - exact, kind="stable")[: max(0, n - sizes.sum())]:
        sizes[k] += 1
    return sizes


def _renumbered(split: Split, classes: NDArray[np.int64]) -> Split:
    return dataclasses.replace(split, y=frozen(np.searchsorted(classes, split.y).astype(np.int64)))
