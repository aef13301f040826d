"""TRAK on a linear head, factorized (Park et al. 2023, arXiv 2303.14186; docs/methods.md, "TRAK").

The model output is f = log(p_y / (1 - p_y)) = z_y - logsumexp of the other logits, so its gradient is ĥ ⊗ a with
a = one_hot(y) - softmax over the other classes (0 at y). Φ's rows are these gradients; without a random projection, since a
head is small enough to invert ΦᵀΦ as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.curation.head import Checkpoint, probabilities, with_one


def output_gradient(p: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[Any]:
    """(n, K): df/dz = one_hot(y) - softmax of the other logits. p: (n, K) probabilities."""
    rows = np.arange(len(labels))
    others = p.copy()
    others[rows, labels] = 0
    others /= np.maximum(others.sum(axis=1, keepdims=True), np.finfo(p.dtype).tiny)
    gradient = -others
    gradient[rows, labels] = 1
    return gradient


def gram(one: NDArray[Any], a: NDArray[Any]) -> NDArray[np.float64]:
    """ΦᵀΦ, ((d+1)K, (d+1)K): Σ ĥĥᵀ ⊗ aaᵀ, without forming Φ."""
    width, classes = one.shape[1], a.shape[1]
    full = np.empty((width, classes, width, classes), np.float64)
    for k in range(classes):
        for j in range(k, classes):
            full[:, k, :, j] = full[:, j, :, k] = (one * (a[:, k] * a[:, j])[:, None]).T @ one
    return full.reshape(width * classes, width * classes)


def scores(
    embeddings: NDArray[Any],
    labels: NDArray[np.int64],
    val_embeddings: NDArray[Any],
    val_labels: NDArray[np.int64],
    heads: Sequence[Checkpoint],
    *,
    damping: float,
) -> NDArray[np.float64]:
    """(n, C): TRAK of each training sample on the mean validation sample of each of the C classes that occur.

    heads: independently trained ones. The ensemble multiplies the two means over heads, as the paper's code does:
    [mean φ(v)ᵀ (ΦᵀΦ + λI)⁻¹ φ(i)] * mean (1 - p_i). damping: λ = damping * mean diagonal of ΦᵀΦ.
    """
    from scipy.linalg import cho_factor, cho_solve

    one, val_one = with_one(embeddings), with_one(val_embeddings)
    classes = np.unique(val_labels)
    total = np.zeros((len(labels), len(classes)))
    missing = np.zeros(len(labels))
    for head in heads:
        p = probabilities(embeddings, head)
        a = output_gradient(p, labels)
        val_a = output_gradient(probabilities(val_embeddings, head), val_labels)
        targets = [val_one[val_labels == k].T @ val_a[val_labels == k] / (val_labels == k).sum() for k in classes]
        kernel = gram(one, a)
        size = len(kernel)
        kernel[np.diag_indices(size)] += damping * np.trace(kernel) / size
        columns = np.stack(targets).reshape(len(classes), size).T.astype(np.float64)
        solved = cho_solve(cho_factor(kernel, lower=True), columns).T.reshape(len(classes), one.shape[1], -1)
        for column, matrix in enumerate(solved):
            total[:, column] += np.einsum("nk,nk->n", one @ matrix.astype(one.dtype), a)
        missing += 1 - p[np.arange(len(labels)), labels]
    return total / len(heads) * (missing / len(heads))[:, None]
