"""Training existing parameters: the biases (BitFit), or the scales and shifts of the normalization layers.

BitFit: Ben Zaken et al. 2021, arXiv 2106.10199. Normalization alone: Frankle et al. 2020, arXiv 2003.00152. Both are trained as a
change after the layer, which starts as the identity and is merged: b' = b + beta and gamma' = gamma_n * gamma, so that the trunk
itself stays bit for bit the same, and batch normalization keeps its moving statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.peft.insertion import CONVOLUTIONS, DENSE, DEPTHWISE, Insertion, has_bias, is_affine, kind, trunk
from edgekit.peft.ssf import scaled
from edgekit.recipe import PeftSection


def biases(keras: Any, model: Any, section: PeftSection) -> Mapping[str, Insertion]:
    """Layer name -> the change of its bias, or of its shift if it is a normalization."""
    return {
        layer.name: scaled(keras, layer, scale=False, spread=0.0)
        for layer in trunk(model)
        if is_affine(layer) or (kind(layer) in (*DENSE, *CONVOLUTIONS, *DEPTHWISE) and has_bias(layer))
    }


def normalizations(keras: Any, model: Any, section: PeftSection) -> Mapping[str, Insertion]:
    """Name of each normalization -> the change of its scale and shift."""
    return {layer.name: scaled(keras, layer, spread=0.0) for layer in trunk(model) if is_affine(layer)}
