"""How important a channel is: rankings for channel pruning, higher = more worth keeping.

- "l1": the L1 norm of the filter times the normalization's scale, as the converter folds them (Li et al. 2017, arXiv 1608.08710).
- "gamma": |gamma| of batch normalization (network slimming, Liu et al. 2017, arXiv 1708.06519); the L1 norm where there is none.
- "taylor": the squared first-order change of the loss without the channel (Molchanov et al. 2019, arXiv 1906.10771, eq. 8, at the
  normalization's scale and shift); needs data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.compression.channels.graph import Channels
from edgekit.data.pixels import to_float
from edgekit.errors import ExportError
from edgekit.frameworks import tf
from edgekit.types import Split

RANKINGS = ("l1", "gamma", "taylor")
_BATCHES, _BATCH = 20, 100


def importance(model: Any, channels: Channels, ranking: str, data: Split | None, seed: int) -> NDArray[np.float64]:
    """(labels,) score of each label of `channels`: the sum over the layers that make it or scale it.

    Raises:
        ExportError: an unknown ranking, or "taylor" without `data`.
    """
    if ranking not in RANKINGS:
        raise ExportError(f"Unknown channel ranking {ranking!r}; known: {', '.join(RANKINGS)}.")
    scores = np.zeros(len(channels.label))
    layers = [layer for layer in model.layers if layer.name in channels.outputs]
    if ranking == "taylor":
        if data is None:
            raise ExportError("The channel ranking 'taylor' needs data; pass samples, or rank by l1.")
        values_of = _taylor(model, layers, channels, data, seed)
    else:
        values_of = {
            layer.name: value for layer in layers if (value := _of_weights(layer, channels, ranking)) is not None
        }
    for name, values in values_of.items():
        np.add.at(scores, channels.label[channels.outputs[name]], values)
    return scores


def _filters(layer: Any) -> NDArray[np.float64]:
    """(out, weights of one filter) of a layer that creates channels."""
    kernel = np.asarray(layer.pointwise_kernel if hasattr(layer, "pointwise_kernel") else layer.kernel, np.float64)
    axis = -2 if type(layer).__name__ == "Conv2DTranspose" else -1
    return np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)


def _of_weights(layer: Any, channels: Channels, ranking: str) -> NDArray[np.float64] | None:
    if layer.name not in channels.makers:
        return None
    worth: NDArray[np.float64] = np.abs(_filters(layer)).mean(axis=1)
    follows = _normalization(layer)
    if follows is not None and follows.gamma is not None:
        gamma = np.abs(np.asarray(follows.gamma, np.float64))
        deviation = np.sqrt(np.asarray(follows.moving_variance, np.float64) + follows.epsilon)
        worth = worth * gamma / deviation if ranking == "l1" else gamma
    # Layers that share channels have different scales; a sum should not be dominated by the largest one.
    return worth / (worth.mean() or 1)


def _normalization(layer: Any) -> Any:
    """A batch normalization that reads `layer`'s output, or None."""
    readers = [node.operation for node in layer._outbound_nodes]
    return next((each for each in readers if type(each).__name__ == "BatchNormalization"), None)


def _taylor(
    model: Any, layers: list[Any], channels: Channels, data: Split, seed: int
) -> dict[str, NDArray[np.float64]]:
    """Layer name -> (out,) mean over batches of (sum of weight * gradient)^2, for normalizations, and for layers without one."""
    tensorflow = tf.tensorflow()
    gates = {}
    for layer in layers:
        if type(layer).__name__ == "BatchNormalization" and layer.gamma is not None:
            gates[layer.name] = [layer.gamma, *([layer.beta] if layer.beta is not None else [])]
        elif layer.name in channels.makers and _normalization(layer) is None:
            gates[layer.name] = [layer.kernel if hasattr(layer, "kernel") else layer.pointwise_kernel]
    variables = [variable for gate in gates.values() for variable in gate]
    totals = {name: np.zeros(len(channels.outputs[name])) for name in gates}
    order = np.random.default_rng([seed, 5]).permutation(len(data))[: _BATCHES * _BATCH]
    for start in range(0, len(order), _BATCH):
        index = np.sort(order[start : start + _BATCH])
        with tensorflow.GradientTape() as tape:
            probability = model(to_float(data.x[index]), training=False)
            right = tensorflow.gather(probability, data.y[index], batch_dims=1)
            loss = -tensorflow.reduce_mean(tensorflow.math.log(right + 1e-7))
        gradients = iter(tape.gradient(loss, [variable.value for variable in variables]))
        for name, gate in gates.items():
            change: Any = 0.0
            for variable in gate:
                product = np.asarray(variable, np.float64) * np.asarray(next(gradients), np.float64)
                axis = -2 if type(model.get_layer(name)).__name__ == "Conv2DTranspose" else -1
                change = change + np.moveaxis(product, axis if product.ndim > 1 else 0, 0).reshape(
                    len(totals[name]), -1
                ).sum(1)
            totals[name] += change**2
    return totals
