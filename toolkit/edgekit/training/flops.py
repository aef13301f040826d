"""The FLOP ledger: multiply-accumulates (MAC) of a Keras model, counted layer by layer (docs/methods.md, "FLOPs").

FLOP = 2 * MAC. Training a product costs its forward pass, the gradient of its weights unless they are frozen, and the gradient
of its input unless no earlier layer is trained: 3 * forward, minus the first layer's input gradient. A layer with a method
`training_shape` (patchout) drops part of its input in training only: MAC are those of inference, training FLOP are fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from edgekit.errors import DataError

Shape = tuple[int | None, ...]


class Row(NamedTuple):
    """One use of a layer: its name ("outer/inner" within a nested model), class, MAC for one sample and parameters."""

    name: str
    kind: str
    macs: int
    params: int


class _Use(NamedTuple):
    row: Row
    backward: float  # number of products as large as the forward pass that training adds: for the gradients of weights and inputs
    counted: bool


def ledger(model: Any) -> list[Row]:
    """Every layer of a built Keras 3 model in the order of computation; layers without a product have 0 MAC.

    A layer that is used twice has two rows, with the parameters in the first.

    Raises:
        DataError: the model has an input of undefined size, or is neither functional nor sequential.
    """
    return [use.row for use in _uses(model)]


def macs(model: Any) -> int:
    """MAC of one forward pass of one sample."""
    return sum(row.macs for row in ledger(model))


def train_flops(model: Any, samples: int) -> int:
    """FLOP of training on `samples` samples in total (steps * batch size)."""
    return round(2 * samples * sum(use.row.macs * (1 + use.backward) for use in _uses(model, training=True)))


def uncounted(model: Any) -> list[str]:
    """Names of layers that have a matrix but no rule here: the ledger counts them as 0."""
    return [use.row.name for use in _uses(model) if not use.counted]


def _uses(model: Any, *, training: bool = False) -> list[_Use]:
    graph = _graph(model)
    shapes = [tuple(tensor.shape) for tensor in graph.inputs]
    for tensor, shape in zip(graph.inputs, shapes, strict=True):
        if None in shape[1:]:
            raise DataError(
                f"Input {tensor.name!r} has the undefined shape {shape[1:]}; counting MAC needs a model built for one size."
            )
    return _walk(graph, shapes, [False] * len(shapes), "", set(), training)[0]


def _graph(model: Any) -> Any:
    graph = getattr(model, "_functional", None) or model
    if not hasattr(graph, "_nodes_by_depth"):
        raise DataError(
            f"Model {model.name!r} is a {type(model).__name__}; MAC are counted in functional and sequential models."
        )
    return graph


def _walk(
    graph: Any, shapes: Sequence[Shape], needs: Sequence[bool], prefix: str, seen: set[int], training: bool
) -> tuple[list[_Use], list[Shape], list[bool]]:
    """The uses in `graph` for inputs of `shapes`, then shapes and flags of its outputs; a flag means a gradient flows there."""
    known: dict[int, tuple[Shape, bool]] = {
        id(t): (shape, flag) for t, shape, flag in zip(graph.inputs, shapes, needs, strict=True)
    }
    uses: list[_Use] = []
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            layer = node.operation
            taken = [known[id(t)] for t in node.input_tensors]
            given, flags = [shape for shape, _ in taken], [flag for _, flag in taken]
            if hasattr(layer, "_functional") or hasattr(layer, "_nodes_by_depth"):
                inner, output_shapes, passed = _walk(
                    _graph(layer), given, flags, f"{prefix}{layer.name}/", seen, training
                )
                uses.extend(inner)
                known |= {
                    id(t): pair
                    for t, pair in zip(node.output_tensors, zip(output_shapes, passed, strict=True), strict=True)
                }
                continue
            output_shapes = _output_shapes(node, given, training)
            count = _count(layer, given, output_shapes)
            trained = bool(getattr(layer, "trainable_variables", ()))
            kind, variables = type(layer).__name__, getattr(layer, "weights", ())
            params = 0 if id(layer) in seen else sum(prod(v.shape) for v in variables)
            seen.add(id(layer))
            counted = kind in (*_MACS, *_FREE) or all(len(v.shape) < 2 for v in variables)
            uses.append(_Use(Row(prefix + layer.name, kind, count, params), _backward(kind, flags, trained), counted))
            known |= {
                id(t): (shape, trained or any(flags))
                for t, shape in zip(node.output_tensors, output_shapes, strict=True)
            }
    results = [known[id(t)] for t in graph.outputs]
    return uses, [shape for shape, _ in results], [flag for _, flag in results]


def _backward(kind: str, flags: Sequence[bool], trained: bool) -> float:
    """A product of two computed tensors has a gradient for each of them; one with weights, for these and for its input."""
    if kind == "TokenAttention":  # half of it is query times key, half is the result times value
        query, key, value = flags
        return (query + key + (query or key) + value) / 2
    return sum(flags) if kind in _OF_TWO else trained + any(flags)


def _output_shapes(node: Any, given: Sequence[Shape], training: bool) -> list[Shape]:
    """The shapes of a layer's outputs for inputs of the shapes `given`."""
    layer = node.operation
    if training and hasattr(layer, "training_shape"):
        return [tuple(layer.training_shape(given[0]))]
    open_ones = any(None in tuple(tensor.shape)[1:] for tensor in (*node.input_tensors, *node.output_tensors))
    same = all(tuple(t.shape)[1:] == shape[1:] for t, shape in zip(node.input_tensors, given, strict=True))
    if open_ones or same:
        return [_closed(node, tensor, given) for tensor in node.output_tensors]
    shaped = {id(t): type(t)(shape, dtype=t.dtype) for t, shape in zip(node.input_tensors, given, strict=True)}
    arguments, named = node.arguments.fill_in(shaped)
    spec = layer.compute_output_spec(*arguments, **named)
    return [tuple(each.shape) for each in (spec if isinstance(spec, (list, tuple)) else [spec])]


def _closed(node: Any, tensor: Any, given: Sequence[Shape]) -> Shape:
    """The shape of an output; computed again within a model that was built for images of any size."""
    shape = tuple(tensor.shape)
    layer = node.operation
    if None in shape[1:] and len(node.output_tensors) == 1 and hasattr(layer, "compute_output_shape"):
        shape = tuple(layer.compute_output_shape(given[0] if len(given) == 1 else list(given)))
    if None in shape[1:]:
        raise DataError(
            f"Layer {layer.name!r} has the undefined shape {shape[1:]}; counting MAC needs a model built for one size."
        )
    return shape


def _count(layer: Any, given: Sequence[Shape], output_shapes: Sequence[Shape]) -> int:
    rule = _MACS.get(type(layer).__name__)
    return int(rule(layer, given, output_shapes[0])) if rule else 0


def _size(shape: Shape) -> int:
    """Elements of one sample."""
    return prod(side or 1 for side in shape[1:])


def _elements(variable: Any) -> int:
    return int(prod(variable.shape))


def _positions(layer: Any, shape: Shape) -> int:
    channels = 1 if layer.data_format == "channels_first" else -1
    return _size(shape) // (shape[channels] or 1)


def _conv(layer: Any, given: Sequence[Shape], output_shape: Shape) -> int:
    # (*k, in/groups, out); a depthwise kernel, (*k, in, multiplier), is a convolution with one input channel each.
    return _positions(layer, output_shape) * _elements(layer.kernel)


def _transposed(layer: Any, given: Sequence[Shape], output_shape: Shape) -> int:
    return _positions(layer, given[0]) * _elements(layer.kernel)


def _separable(layer: Any, given: Sequence[Shape], output_shape: Shape) -> int:
    return _positions(layer, output_shape) * (_elements(layer.depthwise_kernel) + _elements(layer.pointwise_kernel))


def _dense(layer: Any, given: Sequence[Shape], output_shape: Shape) -> int:
    return _size(output_shape) * int(layer.kernel.shape[0])


def _einsum(layer: Any, given: Sequence[Shape], output_shape: Shape) -> int:
    sources, _, result = layer.equation.partition("->")
    summed = [n for label, n in zip(sources.split(",")[1], layer.kernel.shape, strict=True) if label not in result]
    return _size(output_shape) * int(prod(summed))


def _attention(layer: Any, given: Sequence[Shape], output_shape: Shape) -> int:
    """4 N d^2 + 2 N^2 d where query, key and value are the same N tokens of d = heads * size of a head."""
    query, value, key = given[0], given[1], given[2] if len(given) > 2 else given[1]
    tokens, others = (_size(shape) // (shape[-1] or 1) for shape in (query, value))
    projections = sum(
        count * _elements(dense.kernel)
        for count, dense in (
            (tokens, layer.query_dense),
            (_size(key) // (key[-1] or 1), layer.key_dense),
            (others, layer.value_dense),
            (tokens, layer.output_dense),
        )
    )
    return projections + int(layer.num_heads * (layer.key_dim + layer.value_dim)) * tokens * others


def _attended(layer: Any, given: Sequence[Shape], output_shape: Shape) -> int:
    # 2 L M d: the scores, and the mean of the values by them.
    return 2 * _size(output_shape) * (given[1][1] or 1)


def _recurrent(layer: Any, given: Sequence[Shape], output_shape: Shape) -> int:
    return (given[0][1] or 1) * (_elements(layer.cell.kernel) + _elements(layer.cell.recurrent_kernel))


def _product(layer: Any, given: Sequence[Shape], output_shape: Shape) -> int:
    return _size(output_shape) * (given[0][-1] or 1)


_Rule = Callable[[Any, Sequence[Shape], Shape], int]
_MACS: Mapping[str, _Rule] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D"), _conv),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), _transposed),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _separable),
    **dict.fromkeys(("SimpleRNN", "GRU", "LSTM"), _recurrent),
    "Dense": _dense,
    "EinsumDense": _einsum,
    "MultiHeadAttention": _attention,
    "TokenAttention": _attended,
    "Matmul": _product,
}
_OF_TWO = ("Matmul",)
# Looked up or added, not multiplied.
_FREE = ("Embedding", "Positions", "ClassTokens")
