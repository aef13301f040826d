"""k-center: label the sample farthest from everything labeled or chosen so far (Sener and Savarese 2018, arXiv 1708.00489).

Rule: d_i = min ||h_i - h_j||^2 over the labeled samples and the choices so far; choose the largest d_i, update, repeat. The
greedy choice covers the pool with at most twice the optimal radius. Without labeled samples the first choice is the sample
nearest to the pool's mean.

Cost: O(N (n + count) D), one matrix product for the labeled samples and one pass over the pool for each choice. Do not use it
with many outliers, which are the farthest samples of all, or with a network trained on too few labels to embed well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekit.curation.picks import scores_of_picks
from edgekit.types import Pool

_CELLS = 1 << 22  # distances held at once: 16 MB


def rank(pool: Pool, *, count: int, seed: int) -> NDArray[np.float32]:
    """(N,) float32: count + 1 for the first choice, 2 for the last one, at most 1 for the others, by distance."""
    # Centered, because ||a||^2 + ||b||^2 - 2 a.b loses digits far from the origin.
    center = pool.embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
    embeddings, labeled = (part.astype(np.float32) - center for part in (pool.embeddings, pool.labeled_embeddings))
    return scores_of_picks(*farthest_first(embeddings, labeled, count))


def farthest_first(
    embeddings: NDArray[np.float32], labeled: NDArray[np.float32], count: int
) -> tuple[list[int], NDArray[np.float32]]:
    """(N, D) pool centered on its mean and (n, D) labeled -> the choices in order, and (N,) squared distances after them."""
    norms = np.einsum("nd,nd->n", embeddings, embeddings)
    picked: list[int] = []
    if len(labeled):
        distance = _to_nearest(embeddings, norms, labeled)
    else:
        picked = [int(norms.argmin())]
        distance = _to_nearest(embeddings, norms, embeddings[picked])
    distance[picked] = -1  # no sample is chosen twice, even among copies at distance 0
    while len(picked) < count:
        picked.append(int(distance.argmax()))
        np.minimum(distance, _to_nearest(embeddings, norms, embeddings[picked[-1:]]), out=distance)
        distance[picked[-1]] = -1
    return picked, distance


def _to_nearest(
    embeddings: NDArray[np.float32], norms: NDArray[np.float32], centers: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(N,) squared distance to the nearest of the centers, by blocks of centers."""
    nearest = np.full(len(embeddings), np.inf, np.float32)
    block = max(1, _CELLS // max(1, len(embeddings)))
    for start in range(0, len(centers), block):
        part = centers[start : start + block]
        half = embeddings @ part.T - 0.5 * np.einsum("nd,nd->n", part, part)
        np.minimum(nearest, norms - 2 * half.max(axis=1), out=nearest)
    return np.maximum(nearest, 0, out=nearest)
