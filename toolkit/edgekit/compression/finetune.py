"""A few epochs of training of a tf_keras model: what pruning and quantization-aware training share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import tf
from edgekit.data.ahead import Ahead
from edgekit.data.pixels import to_float
from edgekit.errors import TrainingError
from edgekit.training.budget import epochs_of_round
from edgekit.types import Reporter, Split


def finetune(
    model: Any,
    train: Split,
    *,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
    reporter: Reporter,
    what: str,
    setting: str,
    cosine: bool = False,
    weights: NDArray[np.float32] | None = None,
    callbacks: Sequence[Any] = (),
) -> list[float]:
    """Train `model` (tf_keras, gives probabilities) in place with Adam; returns the loss per round (budget.epochs_of_round).

    Args:
        cosine: let the learning rate fall to 0 by half a cosine over all steps (Loshchilov & Hutter 2017, arXiv 1608.03983).
        weights: (n,) weight of each training sample's loss, mean 1; None = all equal.
        what, setting: for the message when the loss is no number: what diverged, and the recipe value to lower.

    Raises:
        TrainingError: the loss became infinite or no number.
    """
    keras2 = tf.tf_keras()
    steps = math.ceil(len(train) / batch_size)
    rate: Any = learning_rate
    if cosine:
        rate = keras2.optimizers.schedules.CosineDecay(learning_rate, steps * epochs)
    model.compile(
        optimizer=keras2.optimizers.Adam(rate),
        loss=keras2.losses.SparseCategoricalCrossentropy(),
        jit_compile=False,
    )
    rng = np.random.default_rng([seed, 2])
    losses: list[float] = []
    length = epochs_of_round(steps, epochs)
    for number in range(epochs // length):
        orders = [rng.permutation(len(train)) for _ in range(length)]
        blocks = [order[start : start + batch_size] for order in orders for start in range(0, len(order), batch_size)]
        with Ahead(train.x, blocks) as images:
            # Keras counts steps from the optimizer's, so schedules go on over calls of fit.
            history = model.fit(
                tf.stream(_batches(images, blocks, train.y, weights)), verbose=0, callbacks=list(callbacks)
            )
        losses.append(float(history.history["loss"][0]))
        done = (number + 1) * length
        reporter.progress(done * steps, epochs * steps, f"steps  loss {losses[-1]:.3f}")
        if not np.isfinite(losses[-1]):
            raise TrainingError(f"{what} diverged in epoch {done}; lower {setting}.")
    return losses


def _batches(
    images: Iterable[NDArray[Any]],
    blocks: Iterable[NDArray[np.int64]],
    y: NDArray[np.int64],
    weights: NDArray[np.float32] | None,
) -> Iterator[tuple[NDArray[Any], ...]]:
    # The images end early when training was broken off and they are closed.
    for x, index in zip(images, blocks, strict=False):
        yield (to_float(x), y[index]) if weights is None else (to_float(x), y[index], weights[index])
