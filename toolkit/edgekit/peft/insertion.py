"""What a method inserts after a layer, and by which types the methods recognize layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

HEAD = "logits"
DENSE = ("Dense",)
CONVOLUTIONS = ("Conv1D", "Conv2D")
DEPTHWISE = ("DepthwiseConv1D", "DepthwiseConv2D")
BATCH_NORM = "BatchNormalization"
NORMALIZATIONS = (BATCH_NORM, "LayerNormalization", "LayerNorm")


class Insertion(NamedTuple):
    """New layers after one layer. layers: by their role. join: (input, output of the layer) -> the new output."""

    layers: Mapping[str, Any]
    join: Callable[[Any, Any], Any]


def kind(layer: Any) -> str:
    """The type of a layer, by name."""
    return type(layer).__name__


def trunk(model: Any) -> list[Any]:
    """All layers but the head, in the order of computation."""
    return [layer for layer in model.layers if layer.name != HEAD]


def has_bias(layer: Any) -> bool:
    """Whether a dense or convolutional layer adds a bias."""
    return getattr(layer, "bias", None) is not None


def is_affine(layer: Any) -> bool:
    """Whether a layer normalizes, then scales and shifts each channel."""
    values = [getattr(layer, name, None) for name in ("gamma", "beta")]
    return kind(layer) in NORMALIZATIONS and all(each is not None and len(each.shape) == 1 for each in values)


def before_batch_norm(layer: Any) -> bool:
    """Whether every reader of the layer's output is batch normalization, which scales and shifts it anyway."""
    readers = [node.operation for node in layer._outbound_nodes]
    return bool(readers) and all(kind(each) == BATCH_NORM for each in readers)
