"""Gradients of a linear head, factorized: TracIn, self-influence and EL2N without any per-sample gradient in memory.

With ĥ = [h; 1] and δ = softmax(hW + b) - one_hot(y), the gradient of one sample's cross-entropy is ĥ ⊗ δ, so that
g_i · g_j = (δ_i · δ_j)(h_i · h_j + 1). The + 1 is the bias (docs/methods.md, "TracIn"; Pruthi et al. 2020, arXiv 2002.08484).
Positive influence = proponent: the SGD step on sample i lowers the loss of sample j.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.curation.head import Checkpoint, residuals, with_one

_ROWS = 8192


def pairwise(
    embeddings: NDArray[Any],
    labels: NDArray[np.int64],
    val_embeddings: NDArray[Any],
    val_labels: NDArray[np.int64],
    checkpoints: Sequence[Checkpoint],
) -> NDArray[Any]:
    """TracInCP of every pair: (n, m) = Σ_t η_t (δ_i · δ_j)(h_i · h_j + 1). For small sets: holds n * m numbers in memory."""
    kernel = embeddings @ val_embeddings.T + 1
    total = np.zeros_like(kernel)
    for head in checkpoints:
        errors = residuals(embeddings, labels, head) @ residuals(val_embeddings, val_labels, head).T
        total += head.learning_rate * errors * kernel
    return np.asarray(total)


def self_influence(
    embeddings: NDArray[Any], labels: NDArray[np.int64], checkpoints: Sequence[Checkpoint]
) -> NDArray[Any]:
    """(n,) Σ_t η_t ‖δ_i‖² (‖h_i‖² + 1): the squared norm of the head's gradient, summed over checkpoints."""
    norms = np.einsum("ij,ij->i", embeddings, embeddings) + 1
    total = np.zeros(len(labels), norms.dtype)
    for head in checkpoints:
        delta = residuals(embeddings, labels, head)
        total += head.learning_rate * np.einsum("ij,ij->i", delta, delta)
    return np.asarray(total * norms)


def on_validation(
    embeddings: NDArray[Any],
    labels: NDArray[np.int64],
    val_embeddings: NDArray[Any],
    val_labels: NDArray[np.int64],
    checkpoints: Sequence[Checkpoint],
) -> tuple[NDArray[Any], NDArray[Any]]:
    """TracInCP on the mean loss of the validation samples, overall and per validation class.

    Returns:
        (n,) influence on all validation samples, and (n, C) on those of each of the C classes that occur among them.
    """
    classes = np.unique(val_labels)
    sizes = np.array([(val_labels == k).sum() for k in classes], embeddings.dtype)
    val_one = with_one(val_embeddings)
    total = np.zeros((len(labels), len(classes)), embeddings.dtype)
    for head in checkpoints:
        val_delta = residuals(val_embeddings, val_labels, head)
        gradients = np.stack([val_one[val_labels == k].T @ val_delta[val_labels == k] for k in classes])
        gradients *= head.learning_rate / sizes[:, None, None]
        _add_influence(total, embeddings, residuals(embeddings, labels, head), gradients)
    return total @ (sizes / sizes.sum()), total


def _add_influence(total: NDArray[Any], embeddings: NDArray[Any], delta: NDArray[Any], gradients: NDArray[Any]) -> None:
    """total[:, c] += Σ_k δ_k (ĥ · gradients[c, :, k]): one matrix product per block of rows, whatever C is."""
    count, width, outputs = gradients.shape
    flat = gradients.transpose(1, 0, 2).reshape(width, count * outputs)
    for start in range(0, len(total), _ROWS):
        rows = slice(start, start + _ROWS)
        projected = embeddings[rows] @ flat[:-1] + flat[-1]
        total[rows] += np.einsum("nck,nk->nc", projected.reshape(-1, count, outputs), delta[rows])


def el2n(embeddings: NDArray[Any], labels: NDArray[np.int64], checkpoints: Sequence[Checkpoint]) -> NDArray[Any]:
    """(n,) the mean over checkpoints of ‖softmax - one_hot‖₂ (Paul et al. 2021, arXiv 2107.07075)."""
    errors: NDArray[Any] = np.mean(
        [np.linalg.norm(residuals(embeddings, labels, head), axis=1) for head in checkpoints], axis=0
    )
    return errors
