"""BADGE: k-means++ on the gradients that the teacher's own predictions would give: uncertain samples that differ.

Rule (Ash et al. 2020, arXiv 1906.03671): g_i = (p_i - one_hot(argmax p_i)) x h_i, the gradient of the last layer's weights under
the predicted label. The first choice has the largest ||g_i||; each further one is drawn with probability proportional to its
squared distance to the nearest choice. A gradient has D K numbers, but it is a product, so
    ||g_i - g_j||^2 = |d_i|^2 |h_i|^2 + |d_j|^2 |h_j|^2 - 2 (d_i . d_j)(h_i . h_j)
needs only the factors d and h. Samples are drawn in order of descending norm, so the order of the rows does not matter.

Cost: O(N (D + K)) for each choice; labeled samples are not used. Do not use it for a handful of samples: its strength is
diversity within a large batch, and it is random.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekit.curation.picks import scores_of_picks
from edgekit.types import Pool


def rank(pool: Pool, *, count: int, seed: int) -> NDArray[np.float32]:
    """(N,) float32: count + 1 for the first choice, 2 for the last one, at most 1 for the others, by distance."""
    deltas = pool.pred_probs.astype(np.float32)
    deltas[np.arange(len(deltas)), pool.pred_probs.argmax(axis=1)] -= 1
    norms = squared_norms(deltas, pool.embeddings)
    order = np.argsort(-norms, kind="stable")
    picked, distance = plus_plus(deltas[order], pool.embeddings[order].astype(np.float32), count, seed)
    rest = np.empty_like(distance)
    rest[order] = distance
    return scores_of_picks(order[picked].tolist(), rest)


def plus_plus(
    deltas: NDArray[np.float32], embeddings: NDArray[np.float32], count: int, seed: int
) -> tuple[list[int], NDArray[np.float32]]:
    """k-means++ seeding in gradient space.

    Args:
        deltas: (N, K) float32, embeddings: (N, D) float32, the largest gradient first.

    Returns:
        The choices in order, and (N,) squared distance to the nearest of them, 0 for themselves.
    """
    rng = np.random.default_rng(seed)
    norms = squared_norms(deltas, embeddings)
    picked, nearest = [0], np.full(len(deltas), np.inf, np.float32)
    while True:
        last = picked[-1]
        np.minimum(nearest, squared_distances(deltas, embeddings, norms, last), out=nearest)
        nearest[last] = 0
        if len(picked) == count:
            return picked, nearest
        total = np.cumsum(nearest, dtype=np.float64)
        if total[-1] > 0:
            picked.append(int(np.searchsorted(total, rng.random() * total[-1], side="right")))
        else:  # every remaining sample is a copy of a choice
            picked.append(int(np.setdiff1d(np.arange(len(deltas)), picked)[0]))


def squared_norms(deltas: NDArray[np.float32], embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, K) and (N, D) factors -> (N,) ||g_i||^2."""
    return np.asarray(np.einsum("nk,nk->n", deltas, deltas) * np.einsum("nd,nd->n", embeddings, embeddings), np.float32)


def squared_distances(
    deltas: NDArray[np.float32], embeddings: NDArray[np.float32], norms: NDArray[np.float32], j: int
) -> NDArray[np.float32]:
    """(N,) ||g_i - g_j||^2 to the gradient of sample j."""
    distances = norms + norms[j] - 2 * (deltas @ deltas[j]) * (embeddings @ embeddings[j])
    return np.asarray(np.maximum(distances, 0), np.float32)
