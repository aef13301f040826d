"""MLPerf Tiny's keyword spotting network, a depthwise-separable CNN (Zhang et al. 2017, arXiv 1711.07128; Banbury et al. 2021).

The same convolutions as its reference file kws_ref_model_float32.tflite for 49x10x1 and 12 classes: a 10x4 stem of 64 filters at
half the side, then four blocks of a 3x3 depthwise and a 1x1 convolution. An input that is not at least twice as high as wide is
treated as an image: its stem is 5x5, and strides more above 64 pixels, so that the blocks see at most 32x32.
"""

from __future__ import annotations

import math
from typing import Any

from edgekit.students.blocks import conv_bn, depthwise_bn, softmax_head

INPUTS = ((49, 10, 1), (28, 28, 1), (32, 32, 3))
FILTERS, BLOCKS = 64, 4
_SPECTROGRAM_STEM = (10, 4)
_LARGEST = 32


def build(keras: Any, input_shape: tuple[int, int, int], classes: int) -> Any:
    """(N, H, W, C) -> (N, K); images of at least 4x4."""
    height, width, _ = input_shape
    if min(height, width) < 4:
        raise ValueError("it needs at least 4 pixels per side")
    layers = keras.layers
    image = keras.Input(input_shape, name="image")
    strides = max(2, math.ceil(max(height, width) / _LARGEST))
    kernel = _SPECTROGRAM_STEM if height >= 2 * width else (max(5, strides),) * 2
    x = conv_bn(keras, image, FILTERS, kernel, strides=strides, name="stem")
    x = layers.Dropout(0.2, name="dropout_a")(x)
    for number in range(BLOCKS):
        x = depthwise_bn(keras, x, name=f"block{number}_dw")
        x = conv_bn(keras, x, FILTERS, 1, name=f"block{number}_pw")
    x = layers.Dropout(0.4, name="dropout_b")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(image, softmax_head(keras, x, classes), name="ds_cnn")
