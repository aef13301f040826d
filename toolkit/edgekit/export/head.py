"""The model that stops before its softmax: the source of files that output logits."""

from __future__ import annotations

from typing import Any

from edgekit.errors import ExportError
from edgekit.frameworks import backend, tf

# After a softmax over the classes, these move values but do not change them.
_PASSING = ("Dropout", "Identity", "Reshape", "Flatten", "ActivityRegularization")


def without_softmax(model: Any) -> Any:
    """`model` up to the logits; with its own layers, except that a layer with softmax as its activation is copied.

    Args:
        model: functional or sequential, of Keras 3 or tf_keras, fake-quantized or not: one image in, a softmax last. Nested
            models are supported.

    Raises:
        ExportError: it does not end in a softmax.
    """
    old = type(model).__module__.startswith("tf_keras")
    keras = tf.tf_keras() if old else backend.load("tensorflow")
    return keras.Model(model.inputs[0], _logits(model.outputs[0]), name=model.name)


def _logits(output: Any) -> Any:
    """The input of the softmax that computes the tensor `output`."""
    history = output._keras_history
    layer = history[0]
    given = layer._inbound_nodes[history[1]].input_tensors
    given = given[0] if isinstance(given, (list, tuple)) else given
    if hasattr(layer, "layers") and hasattr(layer, "outputs"):
        return without_softmax(layer)(given)
    inner = getattr(layer, "layer", layer)  # of tfmot's wrapper
    kind = type(inner).__name__
    config = inner.get_config() if hasattr(inner, "weights") else {}
    # A function of tensors is an operation named Softmax in Keras 3, and a separate layer in tf_keras.
    if kind == "Softmax" or (kind == "TFOpLambda" and config.get("function") == "nn.softmax"):
        return given
    if config.get("activation") == "softmax":
        if kind == "Activation":
            return given
        if inner is layer:
            copy = type(layer).from_config({**config, "activation": "linear"})
            logits = copy(given)
            copy.set_weights(layer.get_weights())
            return logits
    if kind in _PASSING:
        return layer(_logits(given))
    raise ExportError(
        f"A file that ends in logits (--logits-output) needs a model with a softmax at its end; the last layer, "
        f"{layer.name!r}, is a {kind}. Remove --logits-output."
    )
