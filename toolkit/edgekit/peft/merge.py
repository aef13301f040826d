"""New parameters folded into the weights of the plain network, which then gives the same logits with its own operators.

gamma and beta after a layer: W' = W diag(gamma), b' = gamma b + beta; after a normalization: gamma_n' = gamma gamma_n and
beta_n' = gamma beta_n + beta (arXiv 2210.08823, section 3.3). Low-rank matrices: W' = W + alpha / r * A B.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import IntegrityError
from edgekit.peft import lora, ssf
from edgekit.peft.apply import Values
from edgekit.peft.insertion import DEPTHWISE, is_affine, kind
from edgekit.recipe import PeftSection


def merge(model: Any, values: Values, section: PeftSection) -> int:
    """Change the weights of `model` by `values`.

    Args:
        model: the plain network with the frozen weights, of any framework that Keras 3 supports.
        values: from `Adapted.values`, for a method that can be merged.

    Returns:
        How many layers were changed.

    Raises:
        IntegrityError: the values belong to another network.
    """
    places: dict[str, dict[str, NDArray[np.float32]]] = {}
    for name, value in values.items():
        place, _, part = name.partition(":")
        places.setdefault(place, {})[part] = value
    known = {layer.name: layer for layer in model.layers}
    for place, parts in places.items():
        if place not in known:
            raise IntegrityError(f"The values to merge are for a layer {place!r}, which {model.name!r} does not have.")
        try:
            _merge(known[place], parts, section)
        except ValueError as error:
            raise IntegrityError(f"The values to merge do not fit layer {place!r} of {model.name!r}: {error}") from None
    return len(places)


def _merge(layer: Any, parts: dict[str, NDArray[np.float32]], section: PeftSection) -> None:
    if section.method == "lora":
        down, up = parts[f"{lora.DOWN}:kernel"], parts[f"{lora.UP}:kernel"]
        layer.kernel.assign(np.asarray(layer.kernel) + np.float32(section.alpha / section.rank) * (down @ up))
        return
    gamma, beta = parts.get(f"{ssf.PART}:gamma"), parts.get(f"{ssf.PART}:beta")
    norm = is_affine(layer)
    scaled, shifted = (layer.gamma, layer.beta) if norm else (layer.kernel, layer.bias)
    if gamma is not None:
        weight = np.asarray(scaled)
        # A depthwise kernel is (..., C, multiplier) for C * multiplier outputs.
        factor = gamma.reshape(weight.shape[-2:]) if kind(layer) in DEPTHWISE else gamma
        scaled.assign(weight * factor)
        if shifted is not None:
            shifted.assign(np.asarray(shifted) * gamma)
    if beta is not None:
        shifted.assign(np.asarray(shifted) + beta)
