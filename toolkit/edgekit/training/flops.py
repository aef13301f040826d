"""The FLOP ledger: multiply-accumulates (MAC) of a Keras model, counted layer by layer (METHODS.md section 7).

FLOP = 2 * MAC; training = 3 * forward, less the gradient with respect to the images, which nothing needs.
"""

from __future__ import annotations

from typing import Any


def layer_macs(layer: Any) -> int:
    """MAC of one layer for one sample; 0 for layers without a matrix product."""
    kind = type(layer).__name__
    if kind == "Dense":
        return int(layer.kernel.shape[0] * layer.kernel.shape[1])
    if kind in ("Conv2D", "DepthwiseConv2D"):
        _, height, width, _ = layer.output.shape
        kernel = layer.kernel.shape
        # A depthwise kernel is (h, w, C, multiplier): the same product as a convolution with one input channel each.
        return int(height * width * kernel[0] * kernel[1] * kernel[2] * kernel[3])
    return 0


def macs(model: Any) -> int:
    """MAC of one forward pass of one sample."""
    return sum(layer_macs(layer) for layer in model.layers)


def train_flops(model: Any, samples: int) -> int:
    """FLOP of training on `samples` samples in total (steps * batch size)."""
    counted = [count for layer in model.layers if (count := layer_macs(layer))]
    return 2 * samples * (3 * sum(counted) - (counted[0] if counted else 0))
