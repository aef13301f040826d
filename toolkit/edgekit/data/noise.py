"""A smaller training part, and wrong labels added on purpose: a study of curation needs data whose errors it knows."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from edgekit.data.splits import clips_of, frozen, take
from edgekit.errors import DataError
from edgekit.recipe import NoiseSection
from edgekit.types import Split

_STREAM = 5


def limited(train: Split, limit: int, seed: int) -> Split:
    """`limit` samples of `train` with the same class shares, in data-set order; all of it if it has no more.

    With segments, all those of as many clips as have about `limit` segments.

    Raises:
        DataError: a class would lose all its samples.
    """
    if limit >= len(train):
        return train
    from sklearn.model_selection import train_test_split

    first, clip = clips_of(train)
    count = max(1, round(limit * len(first) / len(train)))
    if count >= len(first):
        return train
    try:
        kept, _ = train_test_split(np.arange(len(first)), train_size=count, random_state=seed, stratify=train.y[first])
    except ValueError:
        raise DataError(
            f"Cannot draw {limit:,} of {len(train):,} training samples by class: every class needs samples both inside and "
            "outside the draw. Raise data.limit, or remove it."
        ) from None
    return take(train, np.flatnonzero(np.isin(clip, kept)))


def with_wrong_labels(
    train: Split, classes: tuple[str, ...], section: NoiseSection, seed: int
) -> tuple[Split, NDArray[np.str_]]:
    """`train` with wrong labels as `section` describes, and the ids of the samples that have one.

    symmetric: each label becomes, with probability `rate`, one of the other classes, all equally likely. pair: a label within a
    pair of classes becomes the other one of the pair; without pairs, class k becomes k + 1 (pair flip of Han et al. 2018, arXiv
    1804.06872). The draw depends only on `seed` (or the section's own). All segments of a clip get the same label.
    Raises:
        DataError: a pair names an unknown class, or a class twice.
    """
    rng = np.random.default_rng([seed if section.seed is None else section.seed, _STREAM])
    number = len(classes)
    first, clip = clips_of(train)
    hit = (rng.random(len(first)) < section.rate)[clip]
    if section.kind == "symmetric":
        wrong = (train.y + rng.integers(1, number, len(first))[clip]) % number
    else:
        other = _other(classes, section.pairs)
        wrong = other[train.y]
    hit &= wrong != train.y
    labels = np.where(hit, wrong, train.y).astype(np.int64)
    return dataclasses.replace(train, y=frozen(labels)), frozen(train.ids[hit])


def _other(classes: tuple[str, ...], pairs: tuple[tuple[str, str], ...]) -> NDArray[np.int64]:
    """(K,) the class that each class is replaced by; itself if it is in no pair."""
    if not pairs:
        return (np.arange(len(classes)) + 1) % len(classes)
    other = np.arange(len(classes))
    if unknown := [name for pair in pairs for name in pair if name not in classes]:
        raise DataError(f"data.noise.pairs names the class {unknown[0]!r}; the classes are {', '.join(classes)}.")
    for pair in pairs:
        for one, two in (pair, pair[::-1]):
            if other[classes.index(one)] != classes.index(one) or one == two:
                raise DataError(f"data.noise.pairs has the class {one!r} twice; a class can be in only one pair.")
            other[classes.index(one)] = classes.index(two)
    return other
