"""kNN agreement: the share of a sample's 10 nearest neighbors that have its given label.

Rule: neighbors by cosine among the samples of the same embedding space; only the sample itself is left out, so that an exact
copy of it does count as a neighbor (the idea behind SimiFeat, Zhu et al. 2022, arXiv 2110.06283). Samples that tie for the last
places share those places equally.

Eleven levels are too coarse to rank by, so neighbors' similarities decide among equal shares: the score is
    share + (sum of similarities to agreeing neighbors - to disagreeing ones) / (K (2K + 1)),
whose second term is always less than half a level. It can lie slightly outside [0, 1].

Cost: O(n^2 D) for each space and no validation samples. Do not use it when classes are confused in pairs, in one direction
(the wrong labels then agree with each other), or when mislabeled samples were copied: run `duplicates` first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.curation.spaces import need_embeddings, spaces, unit_rows
from edgekit.types import Decision, Scores, Signals

_NEIGHBORS = 10
_CELLS = 1 << 22  # similarities held at once: 16 MB, with as much again for their partition
_TIE = 1e-6  # float32 inner products of unit vectors differ by rounding below this
_SELF = -2.0  # below every cosine


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = share of agreeing neighbors, ties broken by similarity (higher = more worth keeping).

    Raises:
        RecipeError: no embeddings of the training samples.
    """
    need_embeddings("knn-agreement", signals, validation=False)
    values = np.empty(len(signals.labels), np.float32)
    for space in spaces(signals):
        values[space.index] = agreement(space.embeddings, space.labels)
    return Decision(scores=Scores(method="knn-agreement", ids=signals.ids, values=values))


def agreement(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], neighbors: int = _NEIGHBORS
) -> NDArray[np.float64]:
    """(n, D) embeddings and (n,) labels -> (n,) float64 scores; a sample alone in its space gets the neutral .5."""
    unit, count = unit_rows(embeddings), len(embeddings)
    nearest = min(neighbors, count - 1)
    if nearest < 1:
        return np.full(count, 0.5)
    scores = np.empty(count)
    rows = max(1, _CELLS // count)
    for start in range(0, count, rows):
        own = np.arange(start, min(start + rows, count))
        similarity = unit[own] @ unit.T
        similarity[own - start, own] = _SELF
        last = np.partition(similarity, count - nearest, axis=1)[:, count - nearest]
        row, column = np.nonzero(similarity >= (last - _TIE)[:, None])
        close = similarity[row, column].astype(np.float64)
        sure = close > last[row] + _TIE
        places = nearest - np.bincount(row[sure], minlength=len(own))
        weight = np.where(sure, 1.0, (places / np.bincount(row[~sure], minlength=len(own)))[row])
        agrees = labels[column] == labels[own][row]
        share = np.bincount(row, weight * agrees, minlength=len(own))
        leaning = np.bincount(row, weight * np.where(agrees, close, -close), minlength=len(own))
        scores[own] = (share + leaning / (2 * nearest + 1)) / nearest
    return scores
