"""kNN-Shapley: the exact value of a sample to a 10-nearest-neighbor classifier of the validation samples.

Rule: for one validation sample, with the n training samples sorted near -> far and match_i = 1[y_i = y_val],
    s_n = match_n min(K, n) / (K n),    s_i = s_{i+1} + (match_i - match_{i+1}) / K * min(K, i) / i,
which is the Shapley value of v(S) = the share of matches among the K nearest of S (Jia et al. 2019, arXiv 1908.08619, theorem
1). The score is the mean over the validation samples, on features of length 1, within each embedding space.

Scale: the values of one space sum to its classifier's accuracy, so they shrink as 1/n. They are multiplied by n: the mean score
of every space is then its validation accuracy, whatever the size of the fold, and scores of different folds are comparable.

Ties: copies of a sample are equally near, and among equally near samples a matching one comes first. The order among those with
same match does not change their values, so the order of the rows does not matter.

Cost: O(m n log n) for m validation samples, no training. Do not use it with validation labels as noisy as the training labels,
and do not treat zero as a threshold: values of correct samples lie on both sides of it (CKNN-Shapley, arXiv 2405.17489).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.curation.spaces import need_embeddings, spaces, unit_rows
from edgekit.types import Decision, Scores, Signals

_NEIGHBORS = 10
_CELLS = 1 << 20  # (validation, training) pairs held at once: about 60 MB of temporaries
_RESOLUTION = float(1 << 23)  # a float32 inner product of unit vectors is accurate to about 2^-23
_MISS, _INDEX = np.uint64(31), np.uint64((1 << 31) - 1)


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = the sample's kNN-Shapley value in its space times the size of that space (higher = more worth keeping).

    Raises:
        RecipeError: no embeddings of the training and validation samples.
    """
    need_embeddings("knn-shapley", signals, validation=True)
    values = np.empty(len(signals.labels), np.float32)
    for space in spaces(signals):
        assert space.val_embeddings is not None and space.val_labels is not None
        shapley = knn_shapley(space.embeddings, space.labels, space.val_embeddings, space.val_labels)
        values[space.index] = shapley * len(space.labels)
    return Decision(scores=Scores(method="knn-shapley", ids=signals.ids, values=values))


def knn_shapley(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    val_embeddings: NDArray[np.float32],
    val_labels: NDArray[np.int64],
    neighbors: int = _NEIGHBORS,
) -> NDArray[np.float64]:
    """Shapley values for the mean validation accuracy of a kNN classifier by cosine.

    Args:
        embeddings: (n, D) float32, labels: (n,). val_embeddings: (m, D) float32, val_labels: (m,), m > 0.
        neighbors: K.

    Returns:
        (n,) float64; they sum to the mean share of matches among the K nearest of all n samples.
    """
    train, validation = unit_rows(embeddings), unit_rows(val_embeddings)
    # A matrix product may round the columns of two copies differently, so compute one column for both.
    _, first, copy_of = np.unique(train.view(f"V{train[:1].nbytes}").ravel(), return_index=True, return_inverse=True)
    originals = train[first] if len(first) < len(train) else None
    count, rows = len(train), max(1, _CELLS // max(1, len(train)))
    total = np.zeros(count)
    position = np.arange(count, dtype=np.uint64)
    for start in range(0, len(validation), rows):
        part = slice(start, start + rows)
        cosine = validation[part] @ train.T if originals is None else (validation[part] @ originals.T)[:, copy_of]
        distance = np.subtract(1, cosine, out=cosine)
        np.maximum(distance, 0, out=distance)
        # One integer for (distance, no match, index): sorting values is several times faster than sorting indices.
        keys = np.rint(distance * _RESOLUTION).astype(np.uint64) << np.uint64(32)
        keys |= (labels != val_labels[part, None]).astype(np.uint64) << _MISS
        keys |= position
        keys.sort(axis=1)
        values = shapley_of_matches((keys >> _MISS) & np.uint64(1) == 0, neighbors)
        total += np.bincount((keys & _INDEX).astype(np.int64).ravel(), values.ravel(), minlength=count)
    return total / len(validation)


def shapley_of_matches(matches: NDArray[np.bool_], neighbors: int) -> NDArray[np.float64]:
    """The recurrence: (..., n) matches sorted near -> far to (..., n) Shapley values."""
    rank = np.arange(1, matches.shape[-1] + 1)
    share = np.minimum(neighbors, rank) / (rank * neighbors)
    steps = matches * share
    steps[..., :-1] -= matches[..., 1:] * share[:-1]
    backwards = steps[..., ::-1]
    summed: NDArray[np.float64] = np.cumsum(backwards, axis=-1, out=backwards)[..., ::-1]
    return summed
