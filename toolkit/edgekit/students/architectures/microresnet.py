"""The default student: a batch-normalized residual network for 28x28-sized images that trains fast on two CPU cores.

A thin full-resolution convolution is pooled at once; two residual blocks halve twice more and do most of the work at
7x7 and 4x4, where a wide convolution costs little. Above 48 pixels the stem strides. After He et al. 2015 (arXiv 1512.03385).
"""

from __future__ import annotations

import math
from typing import Any

from edgekit.students.blocks import conv_bn, residual, softmax_head

STEM, STAGES = 12, (24, 32)
_UNSTRIDED = 48


def build(keras: Any, input_shape: tuple[int, int, int], classes: int) -> Any:
    """(N, H, W, C) -> (N, K); any image of at least 2x2."""
    layers = keras.layers
    image = keras.Input(input_shape, name="image")
    stride = math.ceil(max(input_shape[:2]) / _UNSTRIDED)
    x = conv_bn(keras, image, STEM, max(3, stride), strides=stride, name="stem")
    x = layers.MaxPooling2D(2, name="stem_pool")(x)
    for number, filters in enumerate(STAGES):
        x = residual(keras, x, filters, name=f"stage{number}")
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(image, softmax_head(keras, x, classes), name="microresnet")
