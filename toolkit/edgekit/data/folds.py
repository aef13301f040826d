"""The folds of a cross-validation: every training sample is tested once, by a network not trained on it (`data.cv`)."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
from numpy.typing import NDArray

from edgekit.data.splits import clips_of, take
from edgekit.errors import DataError
from edgekit.types import RawData, Split


def fold_of(train: Split, count: int, seed: int) -> NDArray[np.int64]:
    """(N,) the fold of each sample, from 0: classes are spread evenly; a group's samples, and a clip's, are all in one fold.

    Raises:
        DataError: fewer groups or samples than folds, or a class with all its samples in one fold.
    """
    first, clip = clips_of(train)
    labels = train.y[first]
    if train.group is not None:
        fold = _of_groups(train.group[first], labels, count, seed)
    else:
        if len(first) < count:
            raise DataError(f"{count} folds need {count} samples or more; found {len(first)}. Use fewer folds (--cv).")
        rng = np.random.default_rng(seed)
        order = np.concatenate([rng.permutation(np.flatnonzero(labels == k)) for k in np.unique(labels)])
        fold = np.empty(len(first), np.int64)
        fold[order] = np.arange(len(first)) % count
    for number in range(count):
        if len(missing := np.setdiff1d(labels, labels[fold != number])):
            raise DataError(
                f"Without fold {number + 1} of {count}, no sample of label {missing[0]} is left: it has one sample, or one "
                "group. Add samples or groups of it, or build without cross-validation (--cv)."
            )
    return fold[clip]


def _of_groups(groups: NDArray[np.str_], labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    from sklearn.model_selection import StratifiedGroupKFold

    if (number := len(np.unique(groups))) < count:
        raise DataError(
            f"{count} folds need {count} groups, since a group stays whole; found {number} (--cv {number})."
        )
    fold = np.empty(len(labels), np.int64)
    with warnings.catch_warnings():
        # Classes with fewer samples than folds are not in every fold.
        warnings.simplefilter("ignore", UserWarning)
        splits = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(labels, labels, groups)
        for each, (_, outside) in enumerate(splits):
            fold[outside] = each
    return fold


def with_fold(raw: RawData, count: int, fold: int | None, seed: int) -> RawData:
    """`raw` with fold `fold` (from 1) as its test part; None = the set of the shipped model, with its own test part or none."""
    number = fold_of(raw.train, count, seed)
    if fold is None:
        return raw
    inside = number == fold - 1
    rest, tested = take(raw.train, np.flatnonzero(~inside)), take(raw.train, np.flatnonzero(inside))
    return dataclasses.replace(raw, train=rest, test=tested)
