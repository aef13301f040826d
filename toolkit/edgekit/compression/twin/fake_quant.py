"""The fake-quantized form of a twin: tfmot's wrappers and quantizers around the operators of an int8 file.

tfmot's own quantize_model refuses nested models, batch normalization without a convolution before it and a dozen layers, and
has only one scale for a depthwise kernel; so the layers are wrapped here one by one. Kernels are symmetric in [-127, 127], one
scale per output channel or one in all; results are asymmetric, one scale per tensor (LiteRT's 8-bit specification).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.compression.twin.operators import KERNELS, Operator, Program, layer_of
from edgekit.frameworks import tf

_SMALLEST = 1e-6  # minimum half-width of a range: a channel of zeros needs a scale too
_MEMORY = 256 * 1024**2


class KernelQuantizer:
    """Quantizes a kernel by its largest magnitude: with tfmot's quantizer, or the same arithmetic where tfmot has none.

    kind: Conv2D, DepthwiseConv2D or Dense. sparse: zeros stay zero in training (tfmot's collaborative PQAT).
    tfmot scales a depthwise kernel along its last axis, the depth multiplier: one scale in all. LiteRT's is per channel.
    """

    def __init__(self, kind: str, per_channel: bool, sparse: bool) -> None:
        quantizers, preserving = tf.quantizers(), tf.prune_preserve()
        self.kind, self.per_channel, self.sparse = kind, per_channel, sparse
        make = preserving.PrunePreserveDefaultWeightsQuantizer if sparse else quantizers.LastValueQuantizer
        self.inner = make(num_bits=8, per_axis=per_channel, symmetric=True, narrow_range=True)
        self.plain = quantizers.LastValueQuantizer(num_bits=8, per_axis=per_channel, symmetric=True, narrow_range=True)

    def build(self, shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """The range's variables, (O,) or a number, and the mask of `sparse`."""
        if self.kind == "DepthwiseConv2D":
            variables: dict[str, Any] = self.plain.build([shape[-2] * shape[-1]], name, layer)
            return variables | (self.inner._build_sparsity_mask(name, layer) if self.sparse else {})
        return dict(self.inner.build(shape, name, layer))

    def __call__(self, kernel: Any, training: bool, weights: Mapping[str, Any], **_: Any) -> Any:
        """The kernel on its grid; gradients pass."""
        tensorflow = tf.tensorflow()
        if self.kind == "DepthwiseConv2D":
            shape = kernel.shape
            kernel = kernel * weights["sparsity_mask"] if self.sparse else kernel
            flat = tensorflow.reshape(kernel, (shape[0], shape[1], 1, shape[2] * shape[3]))
            return tensorflow.reshape(self.plain(flat, training, weights), shape)
        if self.kind == "Dense" and self.per_channel:
            # A fake-quant operator per channel before a matrix product stops the converter; plain arithmetic is folded.
            kernel = kernel * weights["sparsity_mask"] if self.sparse else kernel
            top = tensorflow.maximum(tensorflow.reduce_max(tensorflow.abs(kernel), axis=0, keepdims=True), _SMALLEST)
            rounded = tensorflow.round(kernel * (127.0 / top)) * (top / 127.0)
            return kernel + tensorflow.stop_gradient(rounded - kernel)
        return self.inner(kernel, training, weights)


class KernelConfig:
    """tfmot's QuantizeConfig of a layer with a kernel. A mask for `sparse` belongs to a training run and is not stored."""

    def __init__(self, kind: str, per_channel: bool, ranged: bool, sparse: bool = False) -> None:
        self.kind, self.per_channel, self.ranged = kind, per_channel, ranged
        self.quantizer = KernelQuantizer(kind, per_channel, sparse)

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return [(getattr(layer, KERNELS[self.kind]), self.quantizer)]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        setattr(layer, KERNELS[self.kind], quantize_weights[0])

    def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return []

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        """None are taken: the result is quantized after the activation, as LiteRT fuses them."""

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return [_result_quantizer()] if self.ranged else []

    def get_config(self) -> dict[str, Any]:
        return {"kind": self.kind, "per_channel": self.per_channel, "ranged": self.ranged}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> KernelConfig:
        return cls(**config)


class InputConfig:
    """tfmot's QuantizeConfig of the input: the contract says [0, 1], and training may only widen the range.

    tfmot's own QuantizeLayer cannot be read back from a .keras file: it is built twice.
    """

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return []

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        """It has none."""

    def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        return []

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        """It has none."""

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        return [tf.quantizers().AllValuesQuantizer(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)]

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputConfig:
        return cls(**config)


def scope() -> Any:
    """`with scope():` a file with these classes can be read by tf_keras."""
    return tf.tf_keras().utils.custom_object_scope(
        {"KernelConfig": KernelConfig, "InputConfig": InputConfig, "relu6": tf.tensorflow().nn.relu6}
    )


def float_model(program: Program, *, every: bool = False) -> Any:
    """The program as a tf_keras model; `every`: its outputs are all results that have a range, in order."""
    keras2 = tf.tf_keras()
    values, given = _inputs(program)
    for operator in program.operators:
        layer = layer_of(operator)
        values[operator.name] = layer(_read(values, operator))
        if operator.kernel is not None:
            layer.set_weights([operator.kernel, operator.bias])
    names = [operator.name for operator in program.operators if operator.ranged] if every else list(program.outputs)
    return keras2.Model(given, [values[name] for name in names] if every else values[names[0]], name=program.name)


def fake_quantized(program: Program, *, per_channel: bool, sparse: bool = False) -> Any:
    """The program with quantizers around it; the ranges of results must still be set (`set_ranges`)."""
    keras2, wrappers = tf.tf_keras(), tf.quantize_wrappers()
    values, given = _inputs(program)
    for name, tensor in list(values.items()):
        identity = keras2.layers.Activation("linear", name=f"{name}.pixels")
        values[name] = wrappers.Wrapper(identity, InputConfig(), name=f"quant_{name}")(tensor)
    for operator in program.operators:
        layer, read = layer_of(operator), _read(values, operator)
        if operator.kernel is not None:
            config: Any = KernelConfig(operator.kind, per_channel, operator.ranged, sparse)
        elif operator.ranged:
            config = wrappers.OutputConfig()
        else:
            values[operator.name] = layer(read)
            continue
        wrapper = wrappers.Wrapper(layer, config, name=f"quant_{operator.name}")
        values[operator.name] = wrapper(read)
        if operator.kernel is not None:
            _set_weights(wrapper, operator, sparse)
    model = keras2.Model(given, values[program.outputs[0]], name=program.name)
    set_kernel_ranges(model)
    set_ranges(model, dict.fromkeys(program.inputs, (0.0, 1.0)))
    return model


def _set_weights(wrapper: Any, operator: Operator, sparse: bool) -> None:
    """Set after the wrapper built its layer: a layer that is already built is stored in a form that cannot be read back."""
    ((kernel, _, variables),) = wrapper._weight_vars
    kernel.assign(operator.kernel)
    wrapper.layer.bias.assign(operator.bias)
    if sparse:  # computed from the initial random weights
        variables["sparsity_mask"] = tf.tensorflow().cast(kernel != 0, "float32")


def set_kernel_ranges(model: Any) -> None:
    """Set each kernel's range from its current largest magnitude: training leaves those of the previous step."""
    for layer in model.layers:
        for kernel, quantizer, variables in getattr(layer, "_weight_vars", ()):
            if "min_var" not in variables:
                continue
            size = int(np.prod(variables["min_var"].shape, dtype=int))
            values = np.abs(kernel.numpy())
            top = values.reshape(-1, size).max(axis=0) if quantizer.per_channel else values.max()
            top = np.maximum(top, _SMALLEST).astype(np.float32)
            variables["min_var"].assign(-top)
            variables["max_var"].assign(top)


def set_ranges(model: Any, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Set the range of each result by the operator's name."""
    for name, (low, high) in ranges.items():
        variables = model.get_layer(f"quant_{name}")._output_quantizer_vars
        variables["min_var"].assign(low)
        variables["max_var"].assign(high)


def ranges(model: Any) -> dict[str, tuple[float, float]]:
    """The range of each result by the operator's name."""
    return {
        layer.name.removeprefix("quant_"): (
            float(layer._output_quantizer_vars["min_var"].numpy()),
            float(layer._output_quantizer_vars["max_var"].numpy()),
        )
        for layer in model.layers
        if getattr(layer, "_output_quantizers", None)
    }


def observe(program: Program, samples: NDArray[np.float32], percentile: float) -> dict[str, tuple[float, float]]:
    """The ranges of results on `samples`: from the (100 - percentile)th to the percentile-th value over all samples, 0 included.

    Exact percentiles of all values of a result; as many results at once as fit into memory.
    """
    every = float_model(program, every=True)
    names = [operator.name for operator in program.operators if operator.ranged]
    tensors = every.outputs
    sizes = [int(np.prod(tensor.shape[1:])) * 4 * len(samples) for tensor in tensors]
    ranges: dict[str, tuple[float, float]] = {}
    start = 0
    while start < len(names):
        stop, total = start + 1, sizes[start]
        while stop < len(names) and total + sizes[stop] <= _MEMORY:
            stop, total = stop + 1, total + sizes[stop]
        part = tf.tf_keras().Model(every.inputs, tensors[start:stop])
        blocks = [part.predict_on_batch(samples[i : i + 64]) for i in range(0, len(samples), 64)]
        columns = [blocks] if stop - start == 1 else list(zip(*blocks, strict=True))
        for name, column in zip(names[start:stop], columns, strict=True):
            values = np.concatenate([np.asarray(block).reshape(-1) for block in column])
            low, high = np.percentile(values, [100 - percentile, percentile])
            # LiteRT's zero point is a value of the type: zero is in every range.
            ranges[name] = (min(float(low), 0.0), max(float(high), 0.0, min(float(low), 0.0) + _SMALLEST))
        start = stop
    return ranges


def _result_quantizer() -> Any:
    return tf.quantizers().MovingAverageQuantizer(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)


def _inputs(program: Program) -> tuple[dict[str, Any], Any]:
    keras2 = tf.tf_keras()
    values = {name: keras2.Input(shape, name=name) for name, shape in program.inputs.items()}
    given = list(values.values())
    return values, given[0] if len(given) == 1 else given


def _read(values: Mapping[str, Any], operator: Operator) -> Any:
    read = [values[name] for name in operator.inputs]
    return read[0] if len(read) == 1 else read
