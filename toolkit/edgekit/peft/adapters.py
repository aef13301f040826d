"""Bottleneck adapters: x + Up(GELU(Down(x))), Up starting at zero (Houlsby et al. 2019, arXiv 1902.00751).

After each sum of a residual network; in a network without sums, after each activation. They cannot be merged: the file has more
operators than the plain student's, and is slower.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.peft.insertion import CONVOLUTIONS, DENSE, Insertion, kind, trunk
from edgekit.recipe import PeftSection

_ACTIVATIONS = ("ReLU", "Activation")


def places(keras: Any, model: Any, section: PeftSection) -> Mapping[str, Insertion]:
    """Layer name -> the small network after it."""
    layers = trunk(model)
    chosen = [each for each in layers if kind(each) == "Add"] or [each for each in layers if _activates(keras, each)]
    return {layer.name: _behind(keras, layer, section.bottleneck) for layer in chosen}


def _activates(keras: Any, layer: Any) -> bool:
    if kind(layer) in (*DENSE, *CONVOLUTIONS):
        return layer.activation is not keras.activations.linear
    return kind(layer) in _ACTIVATIONS


def _behind(keras: Any, layer: Any, bottleneck: int) -> Insertion:
    layers, name = keras.layers, layer.name
    down = layers.Dense(bottleneck, name=f"{name}_adapter_down")
    gelu = layers.Activation("gelu", name=f"{name}_adapter_gelu")
    up = layers.Dense(layer.output.shape[-1], kernel_initializer="zeros", name=f"{name}_adapter_up")
    add = layers.Add(name=f"{name}_adapter_add")
    return Insertion({"down": down, "up": up}, lambda _, y: add([y, up(gelu(down(y)))]))
