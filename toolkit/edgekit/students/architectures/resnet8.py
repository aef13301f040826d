"""MLPerf Tiny's image classification network, ResNet v1 of three stacks (Banbury et al. 2021, arXiv 2106.07597).

The same convolutions, strides and shortcuts as its reference file pretrainedResnet_quant.tflite for 32x32x3 and 10 classes: a 3x3
stem of 16 filters, then stacks of 16, 32 and 64 with one residual block each, the last two at half the side with a strided 1x1
shortcut. For comparison with published figures; `microresnet` costs less.
"""

from __future__ import annotations

from typing import Any

from edgekit.students.blocks import conv_bn, softmax_head

INPUTS = ((32, 32, 3),)
STACKS = (16, 32, 64)


def build(keras: Any, input_shape: tuple[int, int, int], classes: int) -> Any:
    """(N, H, W, C) -> (N, K); images of at least 4x4."""
    if min(input_shape[:2]) < 4:
        raise ValueError("it halves them twice and needs at least 4 pixels per side")
    layers = keras.layers
    image = keras.Input(input_shape, name="image")
    x = conv_bn(keras, image, STACKS[0], 3, name="stem")
    for number, filters in enumerate(STACKS):
        name, strides = f"stack{number}", 2 if number else 1
        y = conv_bn(keras, x, filters, 3, name=f"{name}_a", strides=strides)
        y = conv_bn(keras, y, filters, 3, name=f"{name}_b", relu=False)
        if number:
            x = conv_bn(keras, x, filters, 1, name=f"{name}_shortcut", strides=strides, relu=False)
        x = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(image, softmax_head(keras, x, classes), name="resnet8")
