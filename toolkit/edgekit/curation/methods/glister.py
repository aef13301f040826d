"""GLISTER on a linear head: choose the samples whose SGD step lowers the validation loss the most, batch by batch.

Rule (Killamsetty et al. 2021, arXiv 2012.10630; R-greedy as in CORDS' glisterstrategy.py): with S chosen so far, the gain of
sample e is g_e . G_val(theta - eta sum_{s in S} g_s), where g is the gradient of the training loss at theta and G_val that of the
mean validation loss. The r samples with the largest gain join S, and G_val is computed again. A head's gradients factorize into
g_e = [h_e; 1] x (p_e - one_hot(y_e)), so a round costs two matrix products and no per-sample gradient is formed.

Every sample is ranked: the score is 1 for the first choice of its embedding space and falls evenly to 1/n for the last one,
so that spaces of different sizes can be compared. r = n / 100, about 100 rounds whatever n is. eta = 3 times the head's learning
rate / n: choosing all samples moves the head as far as 3 full-batch steps. A smaller eta forgets what was chosen and repeats the
same classes; a larger one leaves the region where gradients at theta are informative about the loss.

Cost: 100 (n + m) D K multiply-adds for each space. Do not use it with validation labels as noisy as the training labels, nor to
find wrong labels in general: its last choices are the most harmful samples, but its first ones are the most useful, not the
most typical.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.curation.head import residuals, softmax, standardized, train_head, with_one
from edgekit.curation.spaces import need_embeddings, spaces
from edgekit.types import Decision, Scores, Signals

_ROUNDS = 100
_STEPS = 3.0


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = 1 - position of choice / n, in (0, 1] (higher = chosen earlier = more worth keeping).

    Raises:
        RecipeError: no embeddings of the training and validation samples.
    """
    need_embeddings("glister", signals, validation=True)
    values = np.empty(len(signals.labels), np.float32)
    for space in spaces(signals):
        assert space.val_embeddings is not None and space.val_labels is not None
        train, validation = standardized(space.embeddings, space.val_embeddings)
        head = train_head(train, space.labels, signals.classes, seed=seed)[-1]
        count = len(train)
        order = greedy(
            with_one(train),
            residuals(train, space.labels, head),
            with_one(validation),
            space.val_labels,
            np.concatenate([head.weights, head.bias[None]]),
            step=_STEPS * head.learning_rate / count,
            batch=-(-count // _ROUNDS),
        )
        values[space.index[order]] = 1 - np.arange(count) / count
    return Decision(scores=Scores(method="glister", ids=signals.ids, values=values))


def greedy(
    inputs: NDArray[Any],
    deltas: NDArray[Any],
    val_inputs: NDArray[Any],
    val_labels: NDArray[np.int64],
    theta: NDArray[Any],
    *,
    step: float,
    batch: int,
) -> NDArray[np.int64]:
    """The order in which R-greedy chooses all n samples.

    Args:
        inputs: (n, D + 1), the features with a one at the end. deltas: (n, K), probabilities minus the one-hot label at theta.
        val_inputs: (m, D + 1). val_labels: (m,). theta: (D + 1, K), the head: weights with the bias as the last row.
        step: eta. batch: r, how many samples join between two computations of the validation gradient.

    Returns:
        (n,) int64, first choice first.
    """
    moved = theta.copy()
    left = np.ones(len(inputs), np.bool_)
    order: list[NDArray[np.int64]] = []
    while left.any():
        val_delta = softmax(val_inputs @ moved)
        val_delta[np.arange(len(val_labels)), val_labels] -= 1
        gain = np.einsum("nk,nk->n", inputs @ (val_inputs.T @ val_delta), deltas)
        rest = np.flatnonzero(left)
        chosen = rest[np.argsort(-gain[rest], kind="stable")[:batch]]
        moved -= step * (inputs[chosen].T @ deltas[chosen])
        left[chosen] = False
        order.append(chosen)
    return np.concatenate(order)
