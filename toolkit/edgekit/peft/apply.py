"""A copy of a network in which a few new parameters and the head are trained, and everything else is frozen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import RecipeError
from edgekit.peft import adapters, lora, selective, ssf
from edgekit.peft.insertion import HEAD, Insertion
from edgekit.recipe import PeftSection

Values = Mapping[str, NDArray[np.float32]]

_PLACES: Mapping[str, Callable[[Any, Any, PeftSection], Mapping[str, Insertion]]] = {
    "ssf": ssf.places,
    "lora": lora.places,
    "adapter": adapters.places,
    "bitfit": selective.biases,
    "layernorm": selective.normalizations,
}
_NEEDS: Mapping[str, str] = {
    "ssf": "a Dense, Conv or normalization layer",
    "lora": "a Dense or Conv layer",
    "adapter": "a residual sum or an activation",
    "bitfit": "a bias",
    "layernorm": "a normalization layer",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adapted:
    """The network to train. model: the copy with the new layers. insertions: these by the name of the layer they follow."""

    model: Any
    insertions: Mapping[str, Insertion]

    def values(self) -> Values:
        """The current new parameters, "layer:part:variable" -> array: the input of `merge.merge`."""
        return {
            f"{place}:{part}:{variable.name}": np.asarray(variable, np.float32)
            for place, insertion in self.insertions.items()
            for part, layer in insertion.layers.items()
            for variable in layer.weights
        }


def apply(keras: Any, plain: Any, section: PeftSection, heads: Collection[str] = (HEAD,)) -> Adapted:
    """Copy `plain` and insert the method's layers into the copy.

    Args:
        plain: a functional model whose head is the layer "logits"; it is not changed.
        section: with a method other than "none".
        heads: names of the layers that are trained directly.

    Returns:
        The copy with the weights of `plain`. Only the new layers and `heads` are trainable, and batch normalization uses its
        moving statistics.

    Raises:
        RecipeError: the trunk has no layer that the method can change.
    """
    insertions = _PLACES[section.method](keras, plain, section)
    if not insertions:
        raise RecipeError(
            f"peft {section.method!r} needs {_NEEDS[section.method]} in the trunk; {plain.name!r} has none. "
            "Choose another method."
        )
    inner = section.method != "adapter"
    activations: dict[str, Any] = {}

    def copy(layer: Any) -> Any:
        config = layer.get_config()
        # What is merged into the weights must come before the activation that is part of the layer.
        if inner and layer.name in insertions and config.get("activation", "linear") != "linear":
            activations[layer.name] = keras.layers.Activation(layer.activation, name=f"{layer.name}_activation")
            config["activation"] = "linear"
        return type(layer).from_config(config)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        output = layer(*args, **kwargs)
        if layer.name not in insertions:
            return output
        joined = insertions[layer.name].join(args[0], output)
        return activations[layer.name](joined) if layer.name in activations else joined

    model = keras.models.clone_model(plain, clone_function=copy, call_function=call)
    for layer in plain.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())
    new = {layer.name for insertion in insertions.values() for layer in insertion.layers.values()}
    train_only(model, {*heads, *new})
    return Adapted(model=model, insertions=insertions)


def train_only(model: Any, names: set[str]) -> None:
    """Freeze all layers of `model` except those named; a frozen batch normalization uses its moving statistics."""
    for layer in model.layers:
        layer.trainable = layer.name in names
