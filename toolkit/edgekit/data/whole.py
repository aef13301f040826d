"""Checks that a source returned a consistent data set, as far as no pixels are needed."""

from __future__ import annotations

import numpy as np

from edgekit.errors import DataError
from edgekit.types import RawData, Split


def parts_of(raw: RawData) -> dict[str, Split]:
    """The parts that the source has, by name."""
    parts = {"train": raw.train, "val": raw.val, "cal": raw.cal, "test": raw.test}
    return {name: split for name, split in parts.items() if split is not None}


def check(raw: RawData) -> None:
    """Raise DataError if samples, labels, ids, groups or class names of `raw` are inconsistent."""
    classes = len(raw.classes)
    shape = raw.train.x.shape[1:]
    parts = parts_of(raw)
    noun = "images" if raw.front_end is None else "clips"
    for name, split in parts.items():
        if len(split) == 0:
            raise DataError(f"{raw.name}: {name} has no samples.")
        if split.x.shape[1:] != shape:
            raise DataError(f"{raw.name}: {name} {noun} are {split.x.shape[1:]}, but train {noun} are {shape}.")
        if split.y.min() < 0 or split.y.max() >= classes:
            raise DataError(
                f"{raw.name}: {name} labels run from {split.y.min()} to {split.y.max()}; expected 0 to {classes - 1}."
            )
        if split.group is not None and len(split.group) != len(split):
            raise DataError(f"{raw.name}: {name} has {len(split)} samples but {len(split.group)} groups.")
    if split_types := {split.x.dtype.name for split in parts.values()} - {raw.train.x.dtype.name}:
        raise DataError(
            f"{raw.name}: train images are {raw.train.x.dtype}, others {', '.join(split_types)}; use one type."
        )
    ids, counts = np.unique(np.concatenate([split.ids for split in parts.values()]), return_counts=True)
    if len(twice := ids[counts > 1]):
        raise DataError(
            f"{raw.name}: {len(twice):,} ids occur more than once, such as {str(twice[0])!r}; ids must differ."
        )
    if len(set(raw.classes)) < classes:
        name = next(name for name in raw.classes if raw.classes.count(name) > 1)
        raise DataError(f"{raw.name}: two classes are named {name!r}; names must differ.")
    if classes < 2:
        raise DataError(f"{raw.name} has {classes} class; a classifier needs at least 2.")
    empty = np.flatnonzero(np.bincount(raw.train.y, minlength=classes) == 0)
    if empty.size:
        names = ", ".join(f"{raw.classes[k]!r} (label {k})" for k in empty[:5])
        raise DataError(
            f"{raw.name}: no training sample of {names}; every class needs some; add them or remove the class."
        )
