"""What each layer of a model becomes in its tf_keras twin: usually one layer, several where the Keras versions differ, or none.

hard_sigmoid is relu6(x + 3) / 6 in Keras 3 and clip(0.2 x + 0.5, 0, 1) in Keras 2; leaky_relu's slope and silu's name differ too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.compression.twin.graph import Call
from edgekit.errors import ExportError


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A tf_keras layer. reads: indices of the call's earlier Specs, -1 = the call's input; None = all inputs of the call."""

    name: str
    kind: str
    config: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[int, ...] | None = None


_CONV = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "use_bias")
_POOL = ("pool_size", "strides", "padding")
# Layers whose configuration means the same in both versions, with the keys to carry over.
_LAYERS: Mapping[str, tuple[str, ...]] = {
    "Conv1D": (*_CONV, "groups"),
    "Conv2D": (*_CONV, "groups"),
    "Conv2DTranspose": _CONV,
    "DepthwiseConv2D": ("kernel_size", "strides", "padding", "depth_multiplier", "dilation_rate", "use_bias"),
    "SeparableConv2D": (*_CONV, "depth_multiplier"),
    "Dense": ("units", "use_bias"),
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale"),
    "LayerNormalization": ("axis", "epsilon", "center", "scale"),
    "PReLU": ("shared_axes",),
    "Softmax": ("axis",),
    "MaxPooling1D": _POOL,
    "MaxPooling2D": _POOL,
    "AveragePooling1D": _POOL,
    "AveragePooling2D": _POOL,
    "GlobalAveragePooling1D": ("keepdims",),
    "GlobalAveragePooling2D": ("keepdims",),
    "GlobalMaxPooling1D": ("keepdims",),
    "GlobalMaxPooling2D": ("keepdims",),
    "ZeroPadding1D": ("padding",),
    "ZeroPadding2D": ("padding",),
    "Cropping1D": ("cropping",),
    "Cropping2D": ("cropping",),
    "UpSampling1D": ("size",),
    "UpSampling2D": ("size", "interpolation"),
    "Dropout": ("rate",),
    "SpatialDropout1D": ("rate",),
    "SpatialDropout2D": ("rate",),
    "GaussianDropout": ("rate",),
    "GaussianNoise": ("stddev",),
    "Flatten": (),
    "Reshape": ("target_shape",),
    "Permute": ("dims",),
    "RepeatVector": ("n",),
    "Resizing": ("height", "width", "interpolation", "crop_to_aspect_ratio"),
    "CenterCrop": ("height", "width"),
    "Add": (),
    "Subtract": (),
    "Multiply": (),
    "Average": (),
    "Maximum": (),
    "Minimum": (),
    "Concatenate": ("axis",),
}
# Identity at inference. Random augmentation is left out of the twin: fine-tuning sees the images as they are.
_NOTHING = ("Identity", "ActivityRegularization")
_AUGMENTING = ("MixUp", "CutMix", "RandAugment", "AugMix")
_SAME = (
    "relu",
    "relu6",
    "sigmoid",
    "tanh",
    "softmax",
    "elu",
    "selu",
    "softplus",
    "softsign",
    "exponential",
    "gelu",
    "mish",
)
_MERGES = {"add": "Add", "sub": "Subtract", "subtract": "Subtract", "mul": "Multiply", "multiply": "Multiply"}
_SHIFTS = {"add": "Add", "sub": "Subtract", "subtract": "Subtract", "mul": "Multiply", "multiply": "Multiply",
           "truediv": "Divide", "truedivide": "Divide", "divide": "Divide"}  # fmt: skip


def lower(call: Call) -> list[Spec]:
    """The tf_keras layers of one call, in order; the first one with weights has the call's name and the order of its weights.

    Raises:
        ExportError: the layer has no twin; the message is only the reason.
    """
    layer, kind, name = call.layer, call.kind, call.key
    if (operation := _operation(call)) is not None:
        return operation
    if (special := _SPECIAL.get(kind)) is not None:
        return special(layer, name)
    if kind in _NOTHING or augments(call):
        return []
    if kind not in _LAYERS:
        raise ExportError(_reason(layer, kind))
    config = layer.get_config()
    if config.get("data_format", "channels_last") != "channels_last":
        raise ExportError("it is channels-first; LiteRT files are channels-last")
    if config.get("rms_scaling") or config.get("pad_to_aspect_ratio"):
        raise ExportError("rms_scaling and pad_to_aspect_ratio are unknown to tf_keras")
    main = Spec(name=name, kind=kind, config={key: config[key] for key in _LAYERS[kind] if key in config})
    if "activation" not in config:
        return [main]
    return [main, *_activation(config["activation"], f"{name}.activation", keras3=_keras3(layer), read=0)]


def augments(call: Call) -> bool:
    """Whether a layer changes images at random in training and does nothing at inference."""
    return call.kind in _AUGMENTING or call.kind.startswith("Random")


def affine(name: str, scale: Any, offset: Any, read: int = -1) -> Spec:
    """x * scale + offset, numbers or one per channel."""
    plain = [np.asarray(each, np.float32).reshape(-1).tolist() for each in (scale, offset)]
    scale, offset = (each[0] if len(each) == 1 else each for each in plain)
    return Spec(name=name, kind="Rescaling", config={"scale": scale, "offset": offset}, reads=(read,))


def _keras3(layer: Any) -> bool:
    return type(layer).__module__.startswith("keras.")


def _reason(layer: Any, kind: str) -> str:
    module = type(layer).__module__
    if kind in ("Lambda", "TFOpLambda", "SlicingOpLambda"):
        return "a Python function, which no other framework can read"
    if module.startswith("keras.src.ops"):
        return "an operation between layers that has no layer form here"
    if not module.startswith(("keras.", "tf_keras.")):
        return "a custom class, whose computation is unknown here"
    return "not among the layers that are the same in Keras 3 and tf_keras and can be pruned or fake-quantized"


def _activation(activation: Any, name: str, *, keras3: bool, read: int) -> list[Spec]:
    """An activation given by name, reading the Spec of index `read`."""
    if activation is None or activation == "linear":
        return []
    if not isinstance(activation, str):
        raise ExportError(f"its activation is not a name but {activation!r}")
    start = read + 1
    if activation in ("silu", "swish"):
        return [Spec(name=name, kind="Activation", config={"activation": "swish"}, reads=(read,))]
    if activation in ("hard_sigmoid", "hard_silu", "hard_swish"):
        gate = _hard_sigmoid(name, keras3=keras3, read=read)
        if activation == "hard_sigmoid":
            return gate
        return [*gate, Spec(name=name, kind="Multiply", reads=(read, start + len(gate) - 1))]
    if activation == "leaky_relu":
        return [Spec(name=name, kind="LeakyReLU", config={"alpha": 0.2}, reads=(read,))]
    if activation not in _SAME:
        raise ExportError(f"its activation {activation!r} is not the same in Keras 3 and tf_keras")
    return [Spec(name=name, kind="Activation", config={"activation": activation}, reads=(read,))]


def _hard_sigmoid(name: str, *, keras3: bool, read: int) -> list[Spec]:
    before, top, after = ((1.0, 3.0), 6.0, 1 / 6) if keras3 else ((0.2, 0.5), 1.0, 1.0)
    specs = [
        affine(f"{name}.shift", *before, read),
        Spec(name=f"{name}.clip", kind="ReLU", config={"max_value": top}, reads=(read + 1,)),
    ]
    return specs if after == 1.0 else [*specs, affine(f"{name}.scale", after, 0.0, read + 2)]


def _activation_layer(layer: Any, name: str) -> list[Spec]:
    return _activation(layer.get_config()["activation"], name, keras3=_keras3(layer), read=-1)


def _relu(layer: Any, name: str) -> list[Spec]:
    config = layer.get_config()
    slope = float(np.asarray(config.get("negative_slope") or 0.0))
    top = config.get("max_value")
    values = {
        "max_value": None if top is None else float(np.asarray(top)),
        "negative_slope": slope,
        "threshold": float(np.asarray(config.get("threshold") or 0.0)),
    }
    return [Spec(name=name, kind="ReLU", config=values)]


def _leaky(layer: Any, name: str) -> list[Spec]:
    config = layer.get_config()
    slope = config["negative_slope"] if "negative_slope" in config else config["alpha"]
    return [Spec(name=name, kind="LeakyReLU", config={"alpha": float(np.asarray(slope))})]


def _elu(layer: Any, name: str) -> list[Spec]:
    return [Spec(name=name, kind="ELU", config={"alpha": float(np.asarray(layer.get_config()["alpha"]))})]


def _rescaling(layer: Any, name: str) -> list[Spec]:
    return [affine(name, _numbers(layer.scale), _numbers(layer.offset))]


def _normalization(layer: Any, name: str) -> list[Spec]:
    """(x - mean) / max(sqrt(variance), 1e-7), per channel."""
    config = layer.get_config()
    axis = config["axis"] if isinstance(config["axis"], list | tuple) else [config["axis"]]
    rank = len(layer.mean.shape)
    if config.get("invert") or [a % rank if a is not None else None for a in axis] not in ([rank - 1], [None], []):
        raise ExportError("it normalizes along other axes than the channels, or inverts")
    spread = np.maximum(np.sqrt(np.asarray(layer.variance, np.float64)), 1e-7)
    mean = np.asarray(layer.mean, np.float64)
    return [affine(name, 1 / spread, -mean / spread)]


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):  # a list, as Keras 3 serializes arrays
        value = value.get("config", {}).get("value", value)
    return np.asarray(value, np.float64)


_SPECIAL: Mapping[str, Callable[[Any, str], list[Spec]]] = {
    "Activation": _activation_layer,
    "ReLU": _relu,
    "LeakyReLU": _leaky,
    "ELU": _elu,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
}


def _operation(call: Call) -> list[Spec] | None:
    """x + y, x * y, x / 255 and the like, written without a layer; None for everything else."""
    module = type(call.layer).__module__
    if module.startswith("keras.src.ops"):
        name = call.kind.lower()
    elif call.kind == "TFOpLambda":
        name = str(call.layer.get_config()["function"]).rpartition(".")[2].strip("_")
    else:
        return None
    if len(call.inputs) == 2 and not call.constants and name in _MERGES:
        return [Spec(name=call.key, kind=_MERGES[name])]
    if len(call.inputs) == 1 and len(call.constants) == 1 and name in _SHIFTS:
        value, what = np.asarray(call.constants[0], np.float64), _SHIFTS[name]
        if value.ndim <= 1 and not (call.reversed and what == "Divide"):
            scale, offset = {
                "Add": (1.0, value),
                "Subtract": (-1.0, value) if call.reversed else (1.0, -value),
                "Multiply": (value, 0.0),
                "Divide": (1 / value, 0.0),
            }[what]
            return [affine(call.key, scale, offset)]
    if len(call.inputs) == 1 and name in ("relu", "relu6", "sigmoid", "tanh", "softmax", "silu") and not call.constants:
        return _activation(name, call.key, keras3=True, read=-1)
    raise ExportError(_reason(call.layer, call.kind))
