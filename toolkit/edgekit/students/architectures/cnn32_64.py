"""The IQR study's teacher: Conv32-Conv64-MaxPool-Dropout.2-Flatten-Dense128-Dropout.5-Dense. 1,199,882 parameters.

Valid padding; 11,992,448 MAC an image at 28x28x1, K=10 (docs/methods.md, "FLOPs"). Above 32 pixels the first convolution strides,
so that what follows works on at most 32x32 pixels: at 96x96x3 a step costs 1.6 times the one at 28x28, not 14 times.
"""

from __future__ import annotations

import math
from typing import Any

from edgekit.students.blocks import softmax_head

_UNSTRIDED = 32


def build(keras: Any, input_shape: tuple[int, int, int], classes: int) -> Any:
    """(N, H, W, C) -> (N, K); images of at least 6x6."""
    layers = keras.layers
    stride = math.ceil(max(input_shape[:2]) / _UNSTRIDED)
    image = keras.Input(input_shape, name="image")
    x = layers.Conv2D(32, max(3, stride), strides=stride, activation="relu", name="conv_a")(image)
    x = layers.Conv2D(64, 3, activation="relu", name="conv_b")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Dropout(0.2, name="dropout_a")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(128, activation="relu", name="dense")(x)
    x = layers.Dropout(0.5, name="dropout_b")(x)
    return keras.Model(image, softmax_head(keras, x, classes), name="cnn32_64")
