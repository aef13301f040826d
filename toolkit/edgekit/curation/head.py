"""The linear head used for attribution: softmax regression by plain SGD on embeddings, with a few checkpoints kept.

A network's own last layer was trained together with its features, by Adam, until it memorized wrong labels. A fresh
head on frozen embeddings, trained by plain SGD and stopped early, matches TracIn's derivation:
docs/methods.md, "Linear head".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BATCH = 256
_STEP = 4.0  # times 1 / mean squared norm: well within SGD's stable range for softmax regression


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """A head at one moment: logits = h @ weights + bias. weights: (D, K) float32. bias: (K,). learning_rate: SGD's then."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    learning_rate: float


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Row-wise softmax, (n, K) -> (n, K)."""
    shifted: NDArray[Any] = logits - logits.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


def probabilities(embeddings: NDArray[Any], head: Checkpoint) -> NDArray[Any]:
    """(n, D) embeddings -> (n, K) class probabilities."""
    return softmax(embeddings @ head.weights + head.bias)


def residuals(embeddings: NDArray[Any], labels: NDArray[np.int64], head: Checkpoint) -> NDArray[Any]:
    """(n, K): probabilities minus the one-hot label, which is the gradient of the cross-entropy with respect to the logits."""
    difference = probabilities(embeddings, head)
    difference[np.arange(len(labels)), labels] -= 1
    return difference


def with_one(embeddings: NDArray[Any]) -> NDArray[Any]:
    """(n, D) -> (n, D + 1): a column of ones, so that the bias is a weight like any other."""
    return np.concatenate([embeddings, np.ones((len(embeddings), 1), embeddings.dtype)], axis=1)


def train_head(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: int,
    *,
    seed: int,
    epochs: int = 5,
    checkpoints: int = 5,
    sample_weights: NDArray[np.float32] | None = None,
) -> list[Checkpoint]:
    """Softmax regression by plain SGD at a constant rate, from zero weights.

    Args:
        embeddings: (n, D) float32, from `standardized`. labels: (n,) in [0, classes).
        checkpoints: how many to keep, evenly spaced over the run; the last one is the end of training.
        sample_weights: (n,) weight of each sample's loss, mean 1; None = all 1.

    Returns:
        The checkpoints, earliest first.
    """
    count, width = embeddings.shape
    weights, bias = np.zeros((width, classes), np.float32), np.zeros(classes, np.float32)
    rate = _STEP / max(1e-12, float(np.einsum("ij,ij->", embeddings, embeddings) / count) + 1.0)
    rng = np.random.default_rng(seed)
    batches = [part for _ in range(epochs) for part in _cut(rng.permutation(count))]
    moments = {round(len(batches) * (k + 1) / checkpoints) for k in range(checkpoints)}
    kept = []
    for step, index in enumerate(batches, start=1):
        h = embeddings[index]
        gradient = softmax(h @ weights + bias)
        gradient[np.arange(len(index)), labels[index]] -= 1
        if sample_weights is not None:
            gradient *= sample_weights[index, None]
        gradient *= rate / len(index)
        weights -= h.T @ gradient
        bias -= gradient.sum(axis=0)
        if step in moments:
            kept.append(Checkpoint(weights=weights.copy(), bias=bias.copy(), learning_rate=rate))
    return kept


def _cut(order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return np.array_split(order, max(1, len(order) // _BATCH))


def standardized(embeddings: NDArray[np.float32], *others: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Center on the mean of `embeddings` and scale to a mean squared norm of 16; the same shift and scale for `others`.

    A linear head can express the same functions before and after.
    """
    center = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
    shifted = embeddings - center
    scale = _scale(shifted)
    shifted *= scale
    return (shifted, *((other - center) * scale for other in others))


def whitened(embeddings: NDArray[np.float32], *others: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Rotate and scale to equal variance in every direction, damped by 1 % of the mean variance; the same for `others`.

    A linear head can express the same functions, but plain SGD learns all directions equally fast: without whitening, a few
    dominant directions determine the validation influence.
    """
    center = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
    shifted = embeddings - center
    variances, axes = np.linalg.eigh((shifted.T @ shifted).astype(np.float64) / max(1, len(shifted)))
    variances = np.maximum(variances, 0)
    rotation = (axes / np.sqrt(variances + 0.01 * variances.mean() + 1e-12)).astype(np.float32)
    rotated = shifted @ rotation
    scale = _scale(rotated)
    rotated *= scale
    return (rotated, *(((other - center) @ rotation) * scale for other in others))


def _scale(shifted: NDArray[np.float32]) -> np.float32:
    norm = float(np.sqrt(np.einsum("ij,ij->", shifted, shifted, dtype=np.float64) / max(1, len(shifted))))
    return np.float32(4.0 / norm if norm > 0 else 1.0)
