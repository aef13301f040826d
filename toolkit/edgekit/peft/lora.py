"""Low-rank adaptation: W' = W + alpha / r * A B with A (in, r) and B (r, out) (Hu et al. 2021, arXiv 2106.09685, eq. 3).

On dense layers; in a trunk without any, on its convolutions, where A is a convolution to r channels and B maps these to the
output's channels. A starts at random, B at zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.peft.insertion import CONVOLUTIONS, DENSE, Insertion, kind, trunk
from edgekit.recipe import PeftSection

DOWN, UP = "lora_a", "lora_b"


def places(keras: Any, model: Any, section: PeftSection) -> Mapping[str, Insertion]:
    """Layer name -> the two thin matrices in parallel with its kernel."""
    layers = trunk(model)
    chosen = [each for each in layers if kind(each) in DENSE] or [
        each for each in layers if kind(each) in CONVOLUTIONS and each.groups == 1
    ]
    return {layer.name: _beside(keras, layer, section) for layer in chosen}


def _beside(keras: Any, layer: Any, section: PeftSection) -> Insertion:
    plain: dict[str, Any] = {"use_bias": False, "name": f"{layer.name}_{DOWN}"}
    if kind(layer) in DENSE:
        down = keras.layers.Dense(section.rank, kernel_initializer="lecun_normal", **plain)
    else:
        down = type(layer)(
            section.rank, layer.kernel_size, strides=layer.strides, padding=layer.padding,
            dilation_rate=layer.dilation_rate, kernel_initializer="lecun_normal", **plain,
        )  # fmt: skip
    outputs = layer.kernel.shape[-1]
    up = keras.layers.Dense(outputs, use_bias=False, kernel_initializer="zeros", name=f"{layer.name}_{UP}")
    times = keras.layers.Rescaling(section.alpha / section.rank, name=f"{layer.name}_lora_scale")
    add = keras.layers.Add(name=f"{layer.name}_lora_add")
    return Insertion({DOWN: down, UP: up}, lambda x, y: add([y, times(up(down(x)))]))
