"""Blocks shared by networks. Only Conv -> BatchNorm -> ReLU patterns, which the converter folds into one int8 operator."""

from __future__ import annotations

from typing import Any

# A few hundred steps must be enough for the moving statistics: 0.99 (the default) needs thousands.
_MOMENTUM = 0.9


def conv_bn(
    keras: Any,
    x: Any,
    filters: int,
    kernel: int | tuple[int, int],
    *,
    name: str,
    strides: int | tuple[int, int] = 1,
    relu: bool = True,
    most: float | None = None,
) -> Any:
    """Convolution without bias, batch normalization, and ReLU (of at most `most`) unless `relu` is False.

    (N, H, W, C) -> (N, ceil(H/strides), ceil(W/strides), filters).
    """
    x = keras.layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = keras.layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_bn")(x)
    return keras.layers.ReLU(max_value=most, name=f"{name}_relu")(x) if relu else x


def depthwise_bn(keras: Any, x: Any, *, name: str, strides: int = 1, most: float | None = None) -> Any:
    """A 3x3 convolution of each channel alone, batch normalization and ReLU (of at most `most`).

    (N, H, W, C) -> (N, ceil(H/strides), ceil(W/strides), C).
    """
    layers = keras.layers
    x = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(max_value=most, name=f"{name}_relu")(x)


def residual(keras: Any, x: Any, filters: int, *, name: str, strides: int = 2) -> Any:
    """Two 3x3 convolutions at 1/strides of the resolution with a 1x1 shortcut (He et al. 2015, arXiv 1512.03385, fig. 2).

    The shortcut pools before its 1x1 convolution (a strided one would drop three of four pixels).
    (N, H, W, C) -> (N, ceil(H/strides), ceil(W/strides), filters).
    """
    layers = keras.layers
    shortcut = layers.MaxPooling2D(strides, padding="same", name=f"{name}_pool")(x) if strides > 1 else x
    shortcut = conv_bn(keras, shortcut, filters, 1, name=f"{name}_shortcut", relu=False)
    x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False, name=f"{name}_a_conv")(x)
    x = layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_a_bn")(x)
    x = layers.ReLU(name=f"{name}_a_relu")(x)
    x = conv_bn(keras, x, filters, 3, name=f"{name}_b", relu=False)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, shortcut]))


def identity(keras: Any, x: Any, *, name: str) -> Any:
    """Two 3x3 convolutions with `x` added unchanged (He et al. 2015, arXiv 1512.03385). The shape stays the same.

    (N, H, W, C) -> (N, H, W, C).
    """
    shortcut, filters = x, x.shape[-1]
    x = conv_bn(keras, x, filters, 3, name=f"{name}_a")
    x = conv_bn(keras, x, filters, 3, name=f"{name}_b", relu=False)
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_add")([x, shortcut]))


def softmax_head(keras: Any, x: Any, classes: int) -> Any:
    """Dense logits, then a separate Softmax layer, so that the logits can be reached by name. (N, D) -> (N, K)."""
    logits = keras.layers.Dense(classes, name="logits")(x)
    return keras.layers.Softmax(name="probabilities")(logits)
