"""A user's Keras 3 model as edgekit's training and channel pruning want it: flat, with a layer "logits" before the softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgekit.errors import ExportError

# Behind a softmax they change no value.
_PASSING = ("Dropout", "Identity", "Reshape", "Flatten", "ActivityRegularization")


def opened(keras: Any, model: Any) -> Any:
    """The same function as `model` (functional or Sequential, Keras 3, ends in a softmax), with nested models opened.

    The layers are `model`'s own, except the one that makes the logits.

    Raises:
        ExportError: a (nested) model is neither functional nor sequential, or layers have one name.
    """
    first = model.inputs[0]
    image = keras.Input(first.shape[1:], dtype=first.dtype, name=first.name)
    try:
        logits = _logits(keras, _replayed(keras, model, [image])[0])
        layer, given = _maker(logits)
        # A layer of that name must not be `model`'s own: its `output` would be the one in `model`.
        logits = (
            _again(layer, given) if layer.name == "logits" else keras.layers.Activation("linear", name="logits")(logits)
        )
        probabilities = keras.layers.Softmax(name="edgekit_softmax")(logits)
        return keras.Model(image, probabilities, name=model.name)
    except ValueError as error:  # two layers of one name, above all
        line = str(error).strip().splitlines()[0]
        raise ExportError(f"{model.name!r} cannot be opened for channel pruning: {line}") from None


def _replayed(keras: Any, model: Any, tensors: Sequence[Any]) -> list[Any]:
    """The outputs of `model` on `tensors`, with the layers of models in it called one by one."""
    graph = getattr(model, "_functional", None) or model
    nodes = getattr(graph, "_nodes_by_depth", None)
    if nodes is None:
        raise ExportError(f"Channels are pruned in functional and sequential models; {model.name!r} is neither.")
    built: dict[int, Any] = {id(t): new for t, new in zip(graph.inputs, tensors, strict=True)}
    for depth in sorted(nodes, reverse=True):
        for node in nodes[depth]:
            if node.is_input:
                continue
            layer = node.operation
            if isinstance(layer, keras.Model):
                outputs = _replayed(keras, layer, [built[id(t)] for t in node.input_tensors])
            else:
                args, kwargs = keras.tree.map_structure(
                    lambda value: built.get(id(value), value), (node.arguments.args, node.arguments.kwargs)
                )
                outputs = keras.tree.flatten(layer(*args, **kwargs))
            built.update({id(t): new for t, new in zip(node.output_tensors, outputs, strict=True)})
    return [built[id(t)] for t in graph.outputs]


def _logits(keras: Any, output: Any) -> Any:
    """What the softmax at the end reads; layers behind it that pass values on are put before it."""
    layer, given = _maker(output)
    config = layer.get_config() if hasattr(layer, "weights") else {}
    if type(layer).__name__ == "Softmax" or (
        type(layer).__name__ == "Activation" and config["activation"] == "softmax"
    ):
        return given
    if config.get("activation") == "softmax":
        return _again(layer, given, activation="linear")
    if type(layer).__name__ in _PASSING:
        return layer(_logits(keras, given))
    raise ExportError(
        f"Channel pruning needs a model that ends in a softmax; {layer.name!r} is a {type(layer).__name__}."
    )


def _maker(tensor: Any) -> tuple[Any, Any]:
    """The layer that made a tensor, and what it read."""
    history = tensor._keras_history
    return history.operation, history.operation._inbound_nodes[history.node_index].input_tensors[0]


def _again(layer: Any, given: Any, **changes: Any) -> Any:
    """What a copy of `layer` makes of `given`."""
    copy = type(layer).from_config({**layer.get_config(), **changes})
    output = copy(given)
    copy.set_weights(layer.get_weights())
    return output
