"""Inverted residuals for images of about 96x96 to 224x224, after MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, table 2).

`width` scales every layer, rounded to multiples of 8. Unlike in the paper, this includes the last 1x1 convolution: it would
otherwise be most of a small network's file. The widths "-1280" keep the paper's, and rescale pixels to [-1, 1] in a first layer:
they are the networks of keras.applications, whose weights fit them completely.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.students.blocks import conv_bn, depthwise_bn, softmax_head

INPUTS = ((96, 96, 3),)
WIDTHS: Mapping[str, float] = {"035": 0.35, "025": 0.25, "050": 0.5, "035-1280": 0.35, "050-1280": 0.5}
_WHOLE = "-1280"
STEM, LAST = 32, 1280
# (expansion, filters, blocks, stride of the first), table 2
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_SIX = 6.0


def build(keras: Any, input_shape: tuple[int, int, int], classes: int, width: str = "035") -> Any:
    """(N, H, W, C) -> (N, K); images of at least 32x32. width: a key of WIDTHS."""
    if min(input_shape[:2]) < 32:
        raise ValueError("it halves them five times and needs at least 32 pixels per side")
    layers, scale = keras.layers, WIDTHS[width]
    image = x = keras.Input(input_shape, name="image")
    if whole := width.endswith(_WHOLE):
        # A layer, since no change of the kernel has the same effect at the border: zeros are gray in [-1, 1] and black in [0, 1].
        x = layers.Rescaling(2.0, -1.0, name="signed")(x)
    x = conv_bn(keras, x, _scaled(STEM, scale), 3, strides=2, name="stem", most=_SIX)
    for stage, (expansion, filters, blocks, stride) in enumerate(STAGES):
        for number in range(blocks):
            name, strides = f"stage{stage}_{number}", 1 if number else stride
            y, before = x, x.shape[-1]
            if expansion > 1:
                y = conv_bn(keras, y, before * expansion, 1, name=f"{name}_expand", most=_SIX)
            y = depthwise_bn(keras, y, name=f"{name}_dw", strides=strides, most=_SIX)
            y = conv_bn(keras, y, _scaled(filters, scale), 1, name=f"{name}_project", relu=False)
            x = layers.Add(name=f"{name}_add")([x, y]) if number else y
    x = conv_bn(keras, x, LAST if whole else _scaled(LAST, scale), 1, name="last", most=_SIX)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dropout(0.2, name="dropout")(x)
    return keras.Model(image, softmax_head(keras, x, classes), name=f"mobilenetv2_{width}")


def _scaled(filters: int, scale: float) -> int:
    """The nearest multiple of 8, at least 8, and never less than 90 % of `filters * scale` (the paper's own rule)."""
    rounded = max(8, int(filters * scale + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters * scale else rounded
