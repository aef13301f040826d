"""Averages of a network's weights over training, with batch normalization statistics recomputed for the average.

SWA averages the weights at the ends of the last epochs (Izmailov et al. 2018, arXiv 1803.05407); EMA is a moving average over
the steps, kept by the optimizer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Mean:
    """The running mean of a network's trainable weights."""

    def __init__(self, sums: list[NDArray[np.float64]] | None = None, count: int = 0) -> None:
        self.sums, self.count = sums or [], count

    def add(self, model: Any) -> None:
        """Add the current weights to the mean."""
        present = [np.asarray(v, np.float64) for v in model.trainable_variables]
        self.sums = [a + b for a, b in zip(self.sums, present, strict=True)] if self.sums else present
        self.count += 1

    def assign(self, model: Any) -> None:
        """Set the weights of `model` to the mean."""
        for variable, total in zip(model.trainable_variables, self.sums, strict=True):
            variable.assign((total / self.count).astype(np.float32))


def refresh_batch_norm(keras: Any, model: Any, batches: Iterable[NDArray[np.float32]]) -> None:
    """Set the moving mean and variance of every batch normalization to the mean of the statistics of `batches`.

    After averaging, the moving statistics still belong to the weights before it.
    """
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not layers:
        return
    momentums = [layer.momentum for layer in layers]
    try:
        for number, x in enumerate(batches):
            for layer in layers:
                layer.momentum = number / (number + 1)  # makes the moving average the mean so far
            model(x, training=True)
    finally:
        for layer, momentum in zip(layers, momentums, strict=True):
            layer.momentum = momentum
