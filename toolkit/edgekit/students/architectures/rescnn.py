"""The light-CNN study's size of network: a residual CNN of about 6.6 M parameters, 25.1 MB as float32, for MNIST-like images.

The study's figures fix the size; this network of that size trains on two CPU cores: few channels where the image is large, and
most of the parameters in the 2x2 stage and the dense layer, where a weight is used in four products or one.
Above 32 pixels the stem strides. Blocks after He et al. 2015 (arXiv 1512.03385).
"""

from __future__ import annotations

import math
from typing import Any

from edgekit.students.blocks import conv_bn, identity, residual, softmax_head

STEM, STAGES, UNITS = 24, (32, 64, 192, 512), 1276
_IDENTITY_AFTER = 64
_UNSTRIDED = 32


def build(keras: Any, input_shape: tuple[int, int, int], classes: int) -> Any:
    """(N, H, W, C) -> (N, K); images of at least 16x16, so that each stage still halves the size."""
    height, width, _ = input_shape
    if min(height, width) < 2 ** len(STAGES):
        raise ValueError(f"it halves them {len(STAGES)} times and needs at least {2 ** len(STAGES)} pixels per side")
    layers = keras.layers
    image = keras.Input(input_shape, name="image")
    stride = math.ceil(max(height, width) / _UNSTRIDED)
    x = conv_bn(keras, image, STEM, max(3, stride), strides=stride, name="stem")
    for number, filters in enumerate(STAGES):
        x = residual(keras, x, filters, name=f"stage{number}")
        if filters == _IDENTITY_AFTER:
            x = identity(keras, x, name=f"stage{number}_identity")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.3, name="dropout_a")(x)
    x = layers.Dense(UNITS, activation="relu", name="dense")(x)
    x = layers.Dropout(0.5, name="dropout_b")(x)
    return keras.Model(image, softmax_head(keras, x, classes), name="rescnn")
