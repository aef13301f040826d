"""Duplicates: keep one sample of each group of copies.

Rule: two samples are exact duplicates when their bytes have the same digest, whichever fold they are in, and near duplicates
when the cosine of their embeddings exceeds 1 - epsilon within one embedding space (the criterion of SemDeDup, Abbas et al. 2023,
arXiv 2303.09540, here between all pairs instead of within k-means clusters). Groups are the connected components of these pairs.
Of each group the first sample with the group's most frequent label stays; if labels are equally frequent, the first sample
of all. Groups with more than one label are counted, and listed in `conflicts`: at least one of their labels is wrong.

Scores: a dropped sample gets minus its similarity to the one that stays (-1 for an exact copy), every other sample 1 - its
highest similarity to another sample of its space (negative values count as 0, an exact copy elsewhere as 1), so
that the lowest scores are the copies.

Cost: O(N) for exact duplicates, O(n^2 D) for each space for near ones. Do not use near duplicates with a network that has
collapsed its classes to points, where every sample of a class is near every other; look at the groups before raising epsilon.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from edgekit.curation.spaces import need_embeddings, spaces, unit_rows
from edgekit.errors import RecipeError
from edgekit.types import Decision, Scores, Signals

_EPSILON = 1e-3
_CELLS = 1 << 22  # similarities held at once: 16 MB, and at worst 64 MB of pairs
_SHOWN = 10


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score as above (higher = more worth keeping); drops all but one of each group.

    Args:
        params: "epsilon", optional, in [0, 2): how far below 1 the cosine of near duplicates may be; 0 = exact ones only.
            Without embeddings there are only exact ones, and the facts hold None for `epsilon` and `near_duplicates`.

    Raises:
        RecipeError: neither digests nor embeddings, or an epsilon out of range.
    """
    if signals.digests is None and signals.embeddings is None:
        raise RecipeError(
            "'duplicates' needs digests of the training samples or their embeddings; compute the signals."
        )
    given = params.get("epsilon")
    epsilon = _EPSILON if given is None else float(given)
    if not 0 <= epsilon < 2:
        raise RecipeError(f"epsilon {epsilon:g} is not a cosine distance: expected a number from 0 (exact only) to 2.")
    count = len(signals.labels)
    digest = np.arange(count) if signals.digests is None else np.unique(signals.digests, return_inverse=True)[1]
    nearest = np.zeros(count, np.float32)
    group = _joined(np.arange(count), _first_of_each(digest), np.arange(count))
    if signals.embeddings is not None:
        need_embeddings("duplicates", signals, validation=False)
        for space in spaces(signals):
            for left, right in _near_pairs(space.embeddings, epsilon, nearest, space.index):
                group = _joined(group, left, right)
    stays = representatives(group, signals.labels)
    values = np.where(_sizes(digest) > 1, 0.0, 1.0 - nearest).astype(np.float32)
    dropped = np.flatnonzero(stays != np.arange(count))
    copies = digest[dropped] == digest[stays[dropped]]
    values[dropped] = -np.where(copies, 1.0, _similarity(signals, dropped, stays[dropped], 1 - epsilon))
    kinds = np.where(copies, "duplicate of", "near duplicate of").tolist()
    conflicting, conflicts = _conflicts(signals, group)
    return Decision(
        scores=Scores(method="duplicates", ids=signals.ids, values=values),
        drop={int(i): f"{kind} {signals.ids[stays[i]]}" for i, kind in zip(dropped, kinds, strict=True)},
        facts={
            "epsilon": None if signals.embeddings is None else epsilon,
            "groups": int((np.bincount(group, minlength=1) > 1).sum()),
            "exact_duplicates": int(copies.sum()),
            "near_duplicates": None if signals.embeddings is None else int((~copies).sum()),
            "conflicting_groups": conflicting,
            "conflicts": conflicts,
        },
        warnings=(f"{conflicting} groups of duplicates have more than one label",) if conflicting else (),
    )


def representatives(group: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) group numbers and given labels -> (N,) for each sample, the index of the sample of its group that stays."""
    order = np.arange(len(group))
    pair = np.unique(np.stack([group, labels], axis=1), axis=0, return_inverse=True)[1].ravel()
    ranked = np.lexsort((order, -_sizes(pair), group))  # most frequent label first, then data-set order
    leaders = ranked[np.unique(group[ranked], return_index=True)[1]]
    return np.asarray(leaders[np.unique(group, return_inverse=True)[1]], np.int64)


def _near_pairs(
    embeddings: NDArray[np.float32], epsilon: float, nearest: NDArray[np.float32], index: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield blocks of pairs more similar than 1 - epsilon; raises `nearest[index]` to each sample's highest similarity."""
    unit, count = unit_rows(embeddings), len(embeddings)
    rows, highest = max(1, _CELLS // max(1, count)), np.zeros(count, np.float32)
    for start in range(0, count, rows):
        own = np.arange(min(rows, count - start))
        similarity = (
            unit[start : start + rows] @ unit[start:].T
        )  # pairs before `start` were covered from the other side
        similarity[own, own] = -1
        closest = similarity.max(axis=1)
        np.maximum(highest[start + own], closest, out=highest[start : start + rows])
        np.maximum(highest[start:], similarity.max(axis=0), out=highest[start:])
        if epsilon > 0 and closest.max() > 1 - epsilon:
            left, right = np.nonzero(similarity > 1 - epsilon)
            yield index[start + left], index[start + right]
    nearest[index] = np.minimum(highest, 1)


def _joined(group: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Merge the groups that the pairs (left, right) of samples connect."""
    count = len(group)
    edges = coo_array((np.ones(len(left), np.bool_), (group[left], group[right])), shape=(count, count))
    return np.asarray(connected_components(edges, directed=False)[1][group], np.int64)


def _first_of_each(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) -> (N,) the index of the first sample with the same value."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], np.int64)


def _sizes(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) -> (N,) how many samples have the same value."""
    return np.bincount(values, minlength=1)[values]


def _similarity(signals: Signals, left: NDArray[np.int64], right: NDArray[np.int64], unknown: float) -> NDArray[Any]:
    """Cosine of each pair; `unknown` for a pair connected only by a chain through other samples, across spaces."""
    if signals.embeddings is None:
        return np.full(len(left), unknown)
    one, other = (unit_rows(signals.embeddings[side].astype(np.float32, copy=False)) for side in (left, right))
    apart = np.zeros(len(left), np.bool_) if signals.folds is None else signals.folds[left] != signals.folds[right]
    return np.where(apart, unknown, np.einsum("nd,nd->n", one, other))


def _conflicts(signals: Signals, group: NDArray[np.int64]) -> tuple[int, str | None]:
    """How many groups have several labels, and the first of them as "id (label), id (label); ..."."""
    pairs = np.unique(np.stack([group, signals.labels], axis=1), axis=0)
    mixed = np.flatnonzero(np.bincount(pairs[:, 0], minlength=1) > 1)
    members = [np.flatnonzero(group == one) for one in mixed[:_SHOWN]]
    named = [", ".join(f"{signals.ids[i]} ({signals.labels[i]})" for i in some) for some in members]
    return len(mixed), "; ".join(named) or None
