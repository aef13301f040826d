"""Magnitude pruning (Zhu & Gupta 2017, arXiv 1710.01878) with tfmot, on the tf_keras twin, then stripped.

The sparsity rises by a cubic polynomial while the network is fine-tuned. The pruned weights go back into the Keras 3 model;
zeros shrink the gzip of a file, not the file, and speed nothing up on CPU kernels: the report shows all three.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import tf
from edgekit.compression.twin import copy_weights, twin
from edgekit.data.ahead import Ahead
from edgekit.data.pixels import to_float
from edgekit.errors import TrainingError
from edgekit.recipe import PruningSection
from edgekit.types import Reporter, Split

_PRUNED = ("Conv2D", "DepthwiseConv2D", "Dense")


def sparsity(model: Any) -> float:
    """The share of zeros among the kernels of convolutions and dense layers."""
    kernels = [layer.get_weights()[0] for layer in model.layers if type(layer).__name__ in _PRUNED]
    return float(sum((k == 0).sum() for k in kernels) / sum(k.size for k in kernels)) if kernels else 0.0


def prune(
    model: Any,
    train: Split,
    section: PruningSection,
    *,
    batch_size: int,
    seed: int,
    reporter: Reporter,
    weights: NDArray[np.float32] | None = None,
) -> list[float]:
    """Prune `model` (Keras 3, ends in "logits" and Softmax) in place to `section.sparsity`; returns the loss per epoch.

    weights: (n,) weight of each training sample's loss, mean 1; None = all equal.

    Raises:
        ExportError: a layer has no twin.
        TrainingError: fine-tuning diverged or missed the sparsity.
    """
    keras2, tfmot = tf.tf_keras(), tf.tfmot()
    keras2.utils.set_random_seed(seed)
    copy = twin(model)
    steps = math.ceil(len(train) / batch_size)
    end = steps * section.epochs
    schedule = tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=section.sparsity,
        begin_step=0,
        # The last third trains at the final sparsity, to recover.
        end_step=max(1, end * 2 // 3),
        frequency=max(1, steps // 10),
    )
    wrapped = tfmot.sparsity.keras.prune_low_magnitude(copy, pruning_schedule=schedule)
    wrapped.compile(
        optimizer=keras2.optimizers.Adam(section.learning_rate),
        loss=keras2.losses.SparseCategoricalCrossentropy(),
        jit_compile=False,
    )
    rng = np.random.default_rng([seed, 2])
    losses: list[float] = []
    for epoch in range(section.epochs):
        order = rng.permutation(len(train))
        blocks = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        with Ahead(train.x, blocks) as images:
            history = wrapped.fit(
                tf.stream(_batches(images, blocks, train.y, weights)),
                verbose=0,
                # Keras counts steps from the optimizer's, so the schedule goes on over calls of fit.
                callbacks=[tfmot.sparsity.keras.UpdatePruningStep()],
            )
        losses.append(float(history.history["loss"][0]))
        reporter.progress((epoch + 1) * steps, end, f"loss {losses[-1]:.3f}")
        if not np.isfinite(losses[-1]):
            raise TrainingError(f"Pruning diverged in epoch {epoch + 1}; lower pruning.learning_rate.")
    copy_weights(tfmot.sparsity.keras.strip_pruning(wrapped), model)
    reached = sparsity(model)
    if reached < section.sparsity - 0.02:
        raise TrainingError(
            f"Pruning reached {reached:.1%} zeros instead of {section.sparsity:.1%}; raise pruning.epochs."
        )
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
