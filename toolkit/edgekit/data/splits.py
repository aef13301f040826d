"""Splits: ids, class names, and the stratified validation and calibration parts cut from train."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError
from edgekit.types import Split


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, read-only."""
    array.setflags(write=False)
    return array


def split_of(part: str, x: NDArray[Any], y: NDArray[np.int64], group: NDArray[Any] | None = None) -> Split:
    """A Split whose ids are `part/0`, `part/1`, ... in array order."""
    ids = np.char.add(f"{part}/", np.arange(len(y)).astype(str))
    groups = None if group is None else frozen(group.astype(str))
    return Split(x=frozen(x), y=frozen(y), ids=frozen(ids), group=groups)


def take(split: Split, index: NDArray[Any]) -> Split:
    """The samples of `split` at `index`, in that order."""
    group = None if split.group is None else frozen(split.group[index])
    return Split(x=frozen(split.x[index]), y=frozen(split.y[index]), ids=frozen(split.ids[index]), group=group)


def class_names(given: tuple[str, ...], *labels: NDArray[np.int64]) -> tuple[str, ...]:
    """The class names: those given, or "0", "1", ... up to the largest label. Raises DataError for labels out of range."""
    values = np.concatenate([np.ravel(y) for y in labels]) if labels else np.zeros(0, np.int64)
    if values.size == 0:
        raise DataError("The data set has no samples.")
    low, high = int(values.min()), int(values.max())
    if low < 0 or (given and high >= len(given)):
        limit = f"0 to {len(given) - 1}" if given else "0 upwards"
        raise DataError(f"Labels run from {low} to {high}; expected {limit}.")
    if not given and high >= values.size:
        raise DataError(f"Labels run up to {high} for {values.size} samples; expected 0, 1, ... without such gaps.")
    return given or tuple(str(k) for k in range(high + 1))


def hold_out(train: Split, share: float, seed: int) -> tuple[Split, Split]:
    """Cut a stratified `share` from `train`: (rest, held out), both in data-set order.

    Raises:
        DataError: a class is too small to have a sample on each side.
    """
    from sklearn.model_selection import train_test_split

    try:
        rest, held = train_test_split(np.arange(len(train)), test_size=share, random_state=seed, stratify=train.y)
    except ValueError:
        counts = np.bincount(train.y)
        rarest = int(np.where(counts == 0, counts.max() + 1, counts).argmin())
        raise DataError(
            f"Cannot hold out {share:.0%} of {len(train)} training samples by class: label {rarest} has only "
            f"{counts[rarest]}. Add samples, raise data.val_fraction, or give x_val and x_cal of your own."
        ) from None
    return take(train, np.sort(rest)), take(train, np.sort(held))
