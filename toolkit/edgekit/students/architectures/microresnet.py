"""The default students: batch-normalized residual networks for 28x28 to 96x96 that train fast on two CPU cores.

A thin full-resolution convolution is pooled immediately; residual blocks do most of the work at half of the side and less, where
a wide convolution costs little. Width "fast" halves once more right away: it is for curation's teachers, of which there are many.
Above 48 pixels the stem strides. After He et al. 2015 (arXiv 1512.03385).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edgekit.students.blocks import conv_bn, residual, softmax_head

INPUTS = ((28, 28, 1), (32, 32, 3), (96, 96, 3))
# width -> (filters of the stem, (filters, strides) of each residual block)
WIDTHS: Mapping[str, tuple[int, tuple[tuple[int, int], ...]]] = {
    "fast": (12, ((24, 2), (32, 2))),
    "xs": (8, ((16, 1), (24, 2))),
    "s": (12, ((24, 1), (40, 2))),
    "m": (16, ((28, 1), (44, 2), (52, 2))),
    "l": (24, ((48, 1), (80, 2), (96, 2))),
}
_UNSTRIDED = 48


def build(keras: Any, input_shape: tuple[int, int, int], classes: int, width: str = "s") -> Any:
    """(N, H, W, C) -> (N, K); any image of at least 2x2. width: a key of WIDTHS."""
    layers = keras.layers
    stem, blocks = WIDTHS[width]
    image = keras.Input(input_shape, name="image")
    stride = math.ceil(max(input_shape[:2]) / _UNSTRIDED)
    x = conv_bn(keras, image, stem, max(3, stride), strides=stride, name="stem")
    x = layers.MaxPooling2D(2, name="stem_pool")(x)
    for number, (filters, strides) in enumerate(blocks):
        x = residual(keras, x, filters, strides=strides, name=f"stage{number}")
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(image, softmax_head(keras, x, classes), name="microresnet")
