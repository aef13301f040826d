"""The IQR study's student: Conv8-MaxPool-Dropout.2-Flatten-Dense16-Dropout.5-Dense. 21,898 parameters at 28x28x1, K=10.

Valid padding; 70,464 MAC an image (docs/methods.md, "FLOPs"). For repeating the study; `microresnet` is better at its size.
"""

from __future__ import annotations

from typing import Any

from edgekit.students.blocks import softmax_head


def build(keras: Any, input_shape: tuple[int, int, int], classes: int) -> Any:
    """(N, H, W, C) -> (N, K); images of at least 4x4."""
    layers = keras.layers
    image = keras.Input(input_shape, name="image")
    x = layers.Conv2D(8, 3, activation="relu", name="conv")(image)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Dropout(0.2, name="dropout_a")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(16, activation="relu", name="dense")(x)
    x = layers.Dropout(0.5, name="dropout_b")(x)
    return keras.Model(image, softmax_head(keras, x, classes), name="conv8")
