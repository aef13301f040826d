"""A small residual network for spectrograms, frames by frequency bands: time is coarsened before frequency.

The stem halves the time of a second's frames and keeps the bands of a short spectrogram, since neighboring frames are nearly
the same and neighboring bands are not. Blocks after He et al. 2015 (arXiv 1512.03385).
"""

from __future__ import annotations

import math
from typing import Any

from edgekit.students.blocks import conv_bn, residual, softmax_head

INPUTS = ((98, 40, 1), (28, 28, 1))  # a second of sound: 98 frames of 25 ms, one each 10 ms, 40 bands
STEM, STAGES = 16, (24, 44)
# The largest input of the blocks: frames, bands.
_FRAMES, _BANDS = 64, 40


def build(keras: Any, input_shape: tuple[int, int, int], classes: int) -> Any:
    """(N, T, F, C) -> (N, K); spectrograms of at least 4x4."""
    frames, bands, _ = input_shape
    if min(frames, bands) < 4:
        raise ValueError("it needs at least 4 frames and 4 bands")
    layers = keras.layers
    image = keras.Input(input_shape, name="image")
    strides = math.ceil(frames / _FRAMES), math.ceil(bands / _BANDS)
    kernel = max(5, strides[0]), max(3, strides[1])
    x = conv_bn(keras, image, STEM, kernel, strides=strides, name="stem")
    for number, filters in enumerate(STAGES):
        x = residual(keras, x, filters, name=f"stage{number}")
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dropout(0.2, name="dropout")(x)
    return keras.Model(image, softmax_head(keras, x, classes), name="audio_cnn")
