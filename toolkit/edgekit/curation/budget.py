"""How many samples to edit, and which: a budget, the class prior, and the limit on edits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError


def count_of(budget: float | None, samples: int) -> int | None:
    """The budget as a number of samples: a count (>= 1), or a share below 1, rounded.

    Raises:
        DataError: it is not a whole number, or would edit none or all of the samples.
    """
    if budget is None:
        return None
    if budget >= 1 and budget != int(budget):
        raise DataError(f"A budget must be a whole number of samples, or a share below 1; found {budget:g}.")
    count = round(budget * samples) if budget < 1 else round(budget)
    if count < 1 or count >= samples:
        raise DataError(
            f"A budget of {budget:g} would edit {count:,} of {samples:,} training samples; at least 1 and at most "
            f"{samples - 1:,} can be edited."
        )
    return count


def most_edits(share: float, samples: int) -> int:
    """The largest number of edits that `max_edit` allows. Raises DataError if it allows none."""
    if (most := int(share * samples)) < 1:
        raise DataError(
            f"max_edit {share:.3g} of {samples:,} training samples allows less than one edit; raise max_edit."
        )
    return most


def lowest(values: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Indices of the `count` lowest scores, lowest first; ties in data-set order."""
    order: NDArray[np.int64] = np.argsort(values, kind="stable")[:count]
    return order


def lowest_balanced(values: NDArray[Any], labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Indices of `count` low scores, each class contributing its share of the samples (largest remainders), lowest first.

    The share of each class among the remaining samples is then the same as before.
    """
    sizes = np.bincount(labels)
    exact = sizes * (count / len(labels))
    quotas = np.floor(exact).astype(np.int64)
    quotas[np.argsort(quotas - exact, kind="stable")[: count - quotas.sum()]] += 1
    chosen = [
        rows[lowest(values[rows], quotas[k])] for k in range(len(sizes)) if len(rows := np.flatnonzero(labels == k))
    ]
    together = np.concatenate(chosen)
    return together[np.argsort(values[together], kind="stable")]
