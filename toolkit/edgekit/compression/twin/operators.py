"""A twin rewritten as the operators of an int8 file, with everything folded that the TFLite converter would fold.

Batch normalization is folded into the convolution or dense layer before it; where there is none (in DenseNet it comes first), and
for rescaling, it becomes a 1x1 depthwise convolution: one int8 operator with a scale per channel, where a MUL and an ADD would
have a range between them that nothing learns. Folding also freezes the statistics, as quantization-aware training of
converged weights should (Jacob et al. 2018, arXiv 1712.05877, section 3.2; Krishnamoorthi 2018, arXiv 1806.08342, section 3.2.2),
and makes a per-tensor scale the scale of the shipped kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.compression.twin.graph import Call, walk
from edgekit.errors import ExportError
from edgekit.frameworks import tf

Array = NDArray[np.float32]
KERNELS: Mapping[str, str] = {"Conv2D": "kernel", "DepthwiseConv2D": "depthwise_kernel", "Dense": "kernel"}
_RELUS = (None, 6.0)
# Results with the scale of their input, or a fixed one: they get no range of their own.
_PASSING = (
    "MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling2D", "ZeroPadding2D", "Cropping2D", "Flatten", "Reshape", "Permute",
    "Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "Softmax", "CenterCrop",
)  # fmt: skip
_RANGED = (
    "Add", "Subtract", "Multiply", "Concatenate", "Maximum", "Minimum", "GlobalAveragePooling2D", "UpSampling2D", "Resizing",
    "ReLU", "LeakyReLU", "ELU",
)  # fmt: skip
_FIXED = ("sigmoid", "tanh", "softmax")


@dataclass(slots=True, kw_only=True)
class Operator:
    """A future tf_keras layer. kernel: HWIO, HWIM or IO; bias: (O,). ranged: its result gets a quantization range."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    config: dict[str, Any] = field(default_factory=dict)
    kernel: Array | None = None
    bias: Array | None = None
    activation: str = "linear"
    ranged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Operators in order; inputs: name -> shape without the batch."""

    name: str
    inputs: Mapping[str, tuple[int, ...]]
    operators: tuple[Operator, ...]
    outputs: tuple[str, ...]


def rewrite(twin: Any) -> Program:
    """The operators of a twin.

    Raises:
        ExportError: layers that have no int8 form here (all are named).
    """
    graph = walk(twin)
    writer = _Writer(graph.readers())
    refused: list[str] = []
    weighted = [call.key for call in graph.calls if call.layer.weights]
    for name in graph.inputs:
        writer.names[name] = name
    for call in graph.calls:
        try:
            if weighted.count(call.key) > 1:
                raise ExportError(f"it is used {weighted.count(call.key)} times, and each use needs ranges of its own")
            writer.write(call)
        except ExportError as error:
            refused.append(f"{call.key!r} ({call.kind}): {error}")
            writer.names[call.name] = writer.names[call.inputs[0]]
    if refused:
        raise ExportError(
            f"{len(refused)} layer(s) of {twin.name!r} cannot be trained with fake quantization: {'; '.join(refused)}. "
            "Quantize after training instead (--quantize int8)."
        )
    program = Program(
        name=graph.name,
        inputs={name: tuple(n or 0 for n in shape) for name, shape in graph.inputs.items()},
        operators=tuple(writer.operators.values()),
        outputs=tuple(writer.names[name] for name in graph.outputs),
    )
    _skip_ranges(program)
    return program


class _Writer:
    """names: call -> the operator that computes its result."""

    def __init__(self, readers: Mapping[str, int]) -> None:
        self.readers = readers
        self.names: dict[str, str] = {}
        self.operators: dict[str, Operator] = {}

    def write(self, call: Call) -> None:
        layer, kind, config = call.layer, call.kind, call.layer.get_config()
        inputs = tuple(self.names[name] for name in call.inputs)
        before = self.operators.get(inputs[0]) if self.readers.get(call.inputs[0]) == 1 and len(inputs) == 1 else None
        open_ = before if before is not None and before.kernel is not None and before.activation == "linear" else None
        if kind in ("BatchNormalization", "Rescaling"):
            scale, offset = _affine(layer, kind, config)
            if open_ is not None:
                _fold(open_, scale, offset)
                self.names[call.name] = open_.name
            else:
                self._standalone(call, inputs[0], scale, offset)
        elif (relu := _relu(kind, config)) and open_ is not None:
            open_.activation = relu
            self.names[call.name] = open_.name
        elif kind in KERNELS:
            self._weighted(call, inputs, kind, config, layer.get_weights())
        elif kind == "SeparableConv2D":
            self._separable(call, inputs, config, layer.get_weights())
        elif kind == "Activation":
            self._activation(call, inputs, str(config["activation"]))
        elif kind == "Average":
            total = self._add(f"{call.name}.sum", "Add", inputs, {}, ranged=True)
            self._standalone(call, total.name, np.full(1, 1 / len(inputs), np.float32), np.zeros(1, np.float32))
        elif kind in _PASSING or kind in _RANGED:
            operator = self._add(call.name, kind, inputs, _plain(config), ranged=kind in _RANGED)
            self.names[call.name] = operator.name
        else:
            raise ExportError("there is no trainable int8 form of it")

    def _add(self, name: str, kind: str, inputs: tuple[str, ...], config: dict[str, Any], *, ranged: bool) -> Operator:
        operator = Operator(name=name, kind=kind, inputs=inputs, config=config, ranged=ranged)
        self.operators[name] = operator
        return operator

    def _weighted(
        self, call: Call, inputs: tuple[str, ...], kind: str, config: dict[str, Any], weights: list[Array]
    ) -> None:
        kernel = weights[0]
        if kind == "Dense" and len(call.layer.input.shape) not in (2, 4):
            raise ExportError(
                f"it is applied to an array of {len(call.layer.input.shape)} dimensions; 2 and 4 are known"
            )
        if kind == "Dense" and len(call.layer.input.shape) == 4:
            kind, kernel = "Conv2D", kernel[None, None]
            config = {"filters": kernel.shape[-1], "kernel_size": (1, 1)}
        keys = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "depth_multiplier", "units")
        kept = {key: config[key] for key in keys if key in config}
        operator = self._add(call.name, kind, inputs, kept, ranged=True)
        out = kernel.shape[-1] * (kernel.shape[-2] if kind == "DepthwiseConv2D" else 1)
        operator.kernel, operator.bias = kernel, weights[1] if len(weights) > 1 else np.zeros(out, np.float32)
        self.names[call.name] = operator.name

    def _separable(self, call: Call, inputs: tuple[str, ...], config: dict[str, Any], weights: list[Array]) -> None:
        depthwise, pointwise = weights[:2]
        keys = ("kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier")
        first = self._add(
            f"{call.name}.depthwise", "DepthwiseConv2D", inputs, {key: config[key] for key in keys}, ranged=True
        )
        first.kernel = depthwise
        first.bias = np.zeros(depthwise.shape[2] * depthwise.shape[3], np.float32)
        second = self._add(
            call.name, "Conv2D", (first.name,), {"filters": pointwise.shape[-1], "kernel_size": (1, 1)}, ranged=True
        )
        second.kernel = pointwise
        second.bias = weights[2] if len(weights) > 2 else np.zeros(pointwise.shape[-1], np.float32)
        self.names[call.name] = second.name

    def _activation(self, call: Call, inputs: tuple[str, ...], name: str) -> None:
        if name in ("swish", "silu"):
            gate = self._add(f"{call.name}.sigmoid", "Activation", inputs, {"activation": "sigmoid"}, ranged=False)
            self._add(call.name, "Multiply", (inputs[0], gate.name), {}, ranged=True)
        elif name in ("relu", "relu6"):
            self._add(call.name, "ReLU", inputs, {"max_value": 6.0 if name == "relu6" else None}, ranged=True)
        elif name in (*_FIXED, "elu", "gelu"):
            # LiteRT fixes the scale of the results of these; the others learn theirs.
            self._add(call.name, "Activation", inputs, {"activation": name}, ranged=name not in _FIXED)
        else:
            raise ExportError(f"activation {name!r} has no int8 kernel")
        self.names[call.name] = call.name

    def _standalone(self, call: Call, source: str, scale: Array, offset: Array) -> None:
        shape = call.layer.output.shape
        channels = int(shape[-1])
        if len(shape) not in (2, 4):
            raise ExportError(f"it scales an array of {len(shape)} dimensions; 2 and 4 are known")
        if len(shape) == 2:
            config = {"target_shape": (1, 1, channels)}
            source = self._add(f"{call.name}.image", "Reshape", (source,), config, ranged=False).name
        name = call.name if len(shape) == 4 else f"{call.name}.scale"
        operator = self._add(name, "DepthwiseConv2D", (source,), {"kernel_size": (1, 1)}, ranged=True)
        operator.kernel = np.broadcast_to(scale, (channels,)).reshape(1, 1, channels, 1).astype(np.float32)
        operator.bias = np.broadcast_to(offset, (channels,)).astype(np.float32)
        if len(shape) == 2:
            operator = self._add(call.name, "Reshape", (operator.name,), {"target_shape": (channels,)}, ranged=False)
        self.names[call.name] = operator.name


def _affine(layer: Any, kind: str, config: Mapping[str, Any]) -> tuple[Array, Array]:
    """(scale, offset) of a normalization in inference: gamma / sqrt(variance + epsilon), beta - mean * scale."""
    if kind == "Rescaling":
        return np.asarray(layer.scale, np.float32), np.asarray(layer.offset, np.float32)
    axis = config["axis"] if isinstance(config["axis"], list | tuple) else [config["axis"]]
    if [a % len(layer.input.shape) for a in axis] != [len(layer.input.shape) - 1]:
        raise ExportError("it normalizes along another axis than the channels")
    weights = [np.asarray(each, np.float64) for each in layer.get_weights()]
    mean, variance = weights[-2:]
    rest = weights[:-2]
    gamma = rest.pop(0) if config["scale"] else np.ones_like(mean)
    beta = rest.pop(0) if config["center"] else np.zeros_like(mean)
    scale = gamma / np.sqrt(variance + config["epsilon"])
    return scale.astype(np.float32), (beta - mean * scale).astype(np.float32)


def _fold(operator: Operator, scale: Array, offset: Array) -> None:
    """y = scale * (x K + b) + offset = x (K scale) + (b scale + offset)."""
    kernel, bias = operator.kernel, operator.bias
    assert kernel is not None
    assert bias is not None
    wide = np.broadcast_to(scale, bias.shape)
    if operator.kind == "DepthwiseConv2D":
        operator.kernel = kernel * wide.reshape(kernel.shape[-2:])
    else:
        operator.kernel = kernel * wide
    operator.bias = (bias * wide + offset).astype(np.float32)


def _relu(kind: str, config: Mapping[str, Any]) -> str:
    """ "relu" or "relu6", which the converter puts into the operator before; "" for everything else."""
    if kind == "Activation" and config["activation"] in ("relu", "relu6"):
        return str(config["activation"])
    plain = kind == "ReLU" and not config["negative_slope"] and not config["threshold"]
    if not plain or config["max_value"] not in _RELUS:
        return ""
    return "relu6" if config["max_value"] else "relu"


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in config.items() if key not in ("name", "dtype", "trainable", "noise_shape", "seed")
    }


def _skip_ranges(program: Program) -> None:
    """No range before a ReLU that the converter fuses, nor before a concatenation, whose inputs share its scale."""
    readers: dict[str, list[Operator]] = {}
    for operator in program.operators:
        for name in operator.inputs:
            readers.setdefault(name, []).append(operator)
    for operator in program.operators:
        after = readers.get(operator.name, [])
        if len(after) != 1 or operator.name in program.outputs:
            continue
        fused = operator.kind in ("Add", "Subtract", "Multiply") and after[0].kind == "ReLU" and bool(_relu("ReLU", {
            "negative_slope": 0.0, "threshold": 0.0, "max_value": None, **after[0].config}))  # fmt: skip
        if fused or (after[0].kind == "Concatenate" and operator.kind != "Concatenate"):
            operator.ranged = False


def layer_of(operator: Operator) -> Any:
    """The unbuilt tf_keras layer of an operator."""
    tensorflow, keras2 = tf.tensorflow(), tf.tf_keras()
    extra: dict[str, Any] = {}
    if operator.kernel is not None:
        extra["activation"] = tensorflow.nn.relu6 if operator.activation == "relu6" else operator.activation
    return getattr(keras2.layers, operator.kind)(name=operator.name, **operator.config, **extra)
