"""A few epochs of training of a tf_keras model: shared by pruning and quantization-aware training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.ahead import Ahead
from edgekit.data.pixels import to_float
from edgekit.errors import TrainingError
from edgekit.frameworks import tf
from edgekit.training.budget import epochs_of_round
from edgekit.types import Reporter, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long a model is trained on, at which learning rate, and in which batches.

    seed: of the order of the samples. cosine: decay the learning rate to 0 by half a cosine over all steps (Loshchilov & Hutter
    2017, arXiv 1608.03983).
    """

    epochs: int
    learning_rate: float
    batch_size: int
    seed: int
    cosine: bool = False


def finetune(
    model: Any,
    train: Split,
    schedule: Schedule,
    *,
    reporter: Reporter,
    what: str,
    setting: str,
    weights: NDArray[np.float32] | None = None,
    callbacks: Sequence[Any] = (),
) -> list[float]:
    """Train `model` (tf_keras, gives probabilities) in place with Adam; returns the loss per round (budget.epochs_of_round).

    Args:
        weights: (n,) weight of each training sample's loss, mean 1; None = all equal.
        what, setting: for the message when the loss is not finite: what diverged, and the recipe value to lower.

    Raises:
        TrainingError: the loss became infinite or NaN.
    """
    keras2 = tf.tf_keras()
    epochs, batch_size = schedule.epochs, schedule.batch_size
    steps = math.ceil(len(train) / batch_size)
    rate: Any = schedule.learning_rate
    if schedule.cosine:
        rate = keras2.optimizers.schedules.CosineDecay(schedule.learning_rate, steps * epochs)
    model.compile(
        optimizer=keras2.optimizers.Adam(rate),
        loss=keras2.losses.SparseCategoricalCrossentropy(),
        jit_compile=False,
    )
    _build(model)
    rng = np.random.default_rng([schedule.seed, 2])
    losses: list[float] = []
    length = epochs_of_round(steps, epochs)
    for number in range(epochs // length):
        orders = [rng.permutation(len(train)) for _ in range(length)]
        blocks = [order[start : start + batch_size] for order in orders for start in range(0, len(order), batch_size)]
        with Ahead(train.x, blocks) as images:
            # Keras counts the optimizer's steps, so schedules continue over calls of fit.
            history = model.fit(
                tf.stream(_batches(images, blocks, train.y, weights)), verbose=0, callbacks=list(callbacks)
            )
        losses.append(float(history.history["loss"][0]))
        done = (number + 1) * length
        reporter.progress(done * steps, epochs * steps, f"steps  loss {losses[-1]:.3f}")
        if not np.isfinite(losses[-1]):
            raise TrainingError(f"{what} diverged in epoch {done}; lower {setting}.")
    return losses


def _build(model: Any) -> None:
    """Make the variables of optimizer, loss and metrics now; made in the first step, they would have it traced twice."""
    ops = tf.tensorflow()
    x, outputs = (ops.zeros((1, *tensor.shape[1:])) for tensor in (model.inputs[0], model.outputs[0]))
    y = ops.zeros((1,), "int64")
    model.optimizer.build(model.trainable_variables)
    model.compute_loss(x, y, outputs)
    model.compute_metrics(x, y, outputs, None)
    model.reset_metrics()


def _batches(
    images: Iterable[NDArray[Any]],
    blocks: Iterable[NDArray[np.int64]],
    y: NDArray[np.int64],
    weights: NDArray[np.float32] | None,
) -> Iterator[tuple[NDArray[Any], ...]]:
    # The images end early when training was interrupted and they are closed.
    for x, index in zip(images, blocks, strict=False):
        yield (to_float(x), y[index]) if weights is None else (to_float(x), y[index], weights[index])
