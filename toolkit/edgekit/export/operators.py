"""Which operators a .tflite has, and which of them compute in floating point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

_FLOATS = ("FLOAT32", "FLOAT16", "FLOAT64", "BFLOAT16")
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


def histogram(content: bytes) -> Mapping[str, int]:
    """Operator name -> how often it occurs."""
    return dict(sorted(Counter(name for name, *_ in _operators(content)).items()))


def float_operators(content: bytes) -> Mapping[str, int]:
    """Operators that read or write floating-point tensors, by name; conversions at float inputs and outputs are not counted.

    The converter's INT8 operator set promises a file without them but lets some through.
    """
    counts: Counter[str] = Counter()
    for name, tensors, at_border in _operators(content):
        if any(kind in _FLOATS for kind in tensors) and not (name in _CONVERSIONS and at_border):
            counts[name] += 1
    return dict(sorted(counts.items()))


def _operators(content: bytes) -> Iterator[tuple[str, list[str], bool]]:
    """(name, types of its tensors, whether it touches an input or output of its graph)."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    operators, types = _names(schema.BuiltinOperator), _names(schema.TensorType)
    for graph in model.subgraphs:
        border = {int(i) for i in (*graph.inputs, *graph.outputs)}
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            # Files from before 2020 only have the deprecated field; a custom operator has its own name.
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            name = code.customCode.decode() if code.customCode else operators[number]
            indices = [int(i) for i in (*operator.inputs, *operator.outputs) if i >= 0]
            yield name, [types[graph.tensors[i].type] for i in indices], bool(border.intersection(indices))


def _names(table: Any) -> dict[int, str]:
    return {value: name for name, value in vars(table).items() if isinstance(value, int)}
