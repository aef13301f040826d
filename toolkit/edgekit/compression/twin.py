"""A tf_keras twin of a Keras 3 model: the same graph, layer by layer, with the same weights.

tfmot rewrites only tf_keras models. The twin is built by walking the functional graph, and its outputs are compared with
the original's before anything else happens to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit import tf
from edgekit.errors import ExportError

# Layers whose configuration means the same in Keras 3 and tf_keras, with the keys to carry over.
_COMMON = ("name", "dtype")
_CONV = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "activation", "use_bias")
_POOL = ("pool_size", "strides", "padding")
_LAYERS: dict[str, tuple[str, ...]] = {
    "Conv2D": _CONV,
    "DepthwiseConv2D": (
        "kernel_size",
        "strides",
        "padding",
        "depth_multiplier",
        "dilation_rate",
        "activation",
        "use_bias",
    ),
    "Dense": ("units", "activation", "use_bias"),
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale"),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "Activation": ("activation",),
    "Softmax": ("axis",),
    "MaxPooling2D": _POOL,
    "AveragePooling2D": _POOL,
    "GlobalAveragePooling2D": ("keepdims",),
    "GlobalMaxPooling2D": ("keepdims",),
    "ZeroPadding2D": ("padding",),
    "Dropout": ("rate",),
    "Flatten": (),
    "Reshape": ("target_shape",),
    "Rescaling": ("scale", "offset"),
    "Add": (),
    "Multiply": (),
    "Concatenate": ("axis",),
}
_TOLERANCE = 1e-5


def twin(model: Any) -> Any:
    """Build the tf_keras twin of a functional Keras 3 model, weights copied.

    Returns:
        A tf_keras.Model with the same layer names and outputs within 1e-5.

    Raises:
        ExportError: a layer has no twin (named), or the outputs differ.
    """
    keras2 = tf.tf_keras()
    built: dict[int, Any] = {}
    layers: dict[str, Any] = {}
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "InputLayer":
            built[id(layer.output)] = keras2.Input(layer.batch_shape[1:], name=layer.name)
            continue
        if kind not in _LAYERS:
            raise ExportError(
                f"Layer {layer.name!r} ({kind}) has no tf_keras twin, which pruning needs; train without --prune."
            )
        config = {key: value for key, value in layer.get_config().items() if key in (*_LAYERS[kind], *_COMMON)}
        config["dtype"] = layer.dtype_policy.compute_dtype
        copy = getattr(keras2.layers, kind)(**config)
        for node in layer._inbound_nodes:
            if any(id(tensor) not in built for tensor in node.input_tensors):
                continue  # a use of the layer in another model
            inputs = [built[id(tensor)] for tensor in node.input_tensors]
            built[id(node.output_tensors[0])] = copy(inputs[0] if len(inputs) == 1 else inputs)
        layers[layer.name] = copy
    result = keras2.Model([built[id(t)] for t in model.inputs], [built[id(t)] for t in model.outputs], name=model.name)
    for name, copy in layers.items():
        copy.set_weights(model.get_layer(name).get_weights())
    _same_outputs(model, result)
    return result


def copy_weights(source: Any, target: Any) -> None:
    """Set the weights of every layer of `target` from the layer of that name in `source`; works in both directions."""
    for layer in target.layers:
        if layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())


def _same_outputs(model: Any, copy: Any) -> None:
    shape = model.inputs[0].shape[1:]
    x = np.random.default_rng(0).random((8, *shape), dtype=np.float32)
    difference = float(np.abs(np.asarray(model(x, training=False)) - np.asarray(copy(x, training=False))).max())
    if difference > _TOLERANCE:
        raise ExportError(
            f"The tf_keras twin of {model.name!r} differs from it by {difference:.2g} (allowed {_TOLERANCE:g})."
        )
