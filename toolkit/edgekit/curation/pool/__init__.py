"""Active selection: which samples of an unlabeled pool to label next. One strategy per module; see registry.POOLS."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgekit import registry
from edgekit.errors import DataError, EdgekitError
from edgekit.types import Pool


class ToLabel(NamedTuple):
    """A sample to label. rank: 1 = first. score: the strategy's, higher = earlier. suggested: the class the teacher predicts."""

    id: str
    rank: int
    score: float
    suggested: int


def label_next(pool: Pool, strategy: str, count: int, seed: int) -> list[ToLabel]:
    """Choose the `count` samples to label next.

    Args:
        pool: the unlabeled samples, and the labeled ones in the same embedding space.
        strategy: a name of registry.POOLS.
        count: how many to choose, from 1 to the size of the pool.

    Returns:
        The chosen samples in the order to label them; ties keep the pool's order.

    Raises:
        UnknownName: no such strategy.
        DataError: the count is out of range, ids repeat, or the pool's arrays are not finite or inconsistent.
    """
    _check(pool, count)
    scores = registry.load("pools", strategy)(pool, count=count, seed=seed)
    if not np.isfinite(scores).all():
        raise EdgekitError(f"{strategy!r} gave a score that is not a number.")
    order = np.argsort(-scores, kind="stable")[:count].tolist()
    suggested = pool.pred_probs.argmax(axis=1)
    return [ToLabel(str(pool.ids[i]), rank, float(scores[i]), int(suggested[i])) for rank, i in enumerate(order, 1)]


def _check(pool: Pool, count: int) -> None:
    size = len(pool.ids)
    if not 1 <= count <= size:
        raise DataError(f"Cannot choose {count} of the {size} samples in the pool; expected a number from 1 to {size}.")
    if len(np.unique(pool.ids)) < size:
        raise DataError("Two samples of the pool have the same id; ids must be unique.")
    for name, rows in (
        ("pred_probs", size),
        ("embeddings", size),
        ("labeled_embeddings", len(pool.labeled)),
        ("val_embeddings", len(pool.val_labels)),
    ):
        array = getattr(pool, name)
        if array.ndim != 2 or len(array) != rows:
            raise DataError(f"{name} of the pool should have {rows} rows, but its shape is {array.shape}.")
        if not np.isfinite(array).all():
            raise DataError(f"{name} of the pool contains NaN or infinity; train the teacher again.")
