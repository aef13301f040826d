"""Is it the same inference graph? The digest of a .tflite's operators with the shapes and types of their inputs and outputs.

Weights and quantization scales do not count: two trainings of one network have the same digest.
Definition: docs/methods.md, "Equal inference graph".
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from edgekit.inference.cuts import cuts
from edgekit.runs.files import canonical_json


def digest(path: Path) -> str:
    """SHA-256 over the operators of all subgraphs, in order; names are left out."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    graphs = [_described(model, model.Subgraphs(index)) for index in range(model.SubgraphsLength())]
    return hashlib.sha256(canonical_json(graphs).encode()).hexdigest()


def operators(path: Path) -> dict[str, int]:
    """How often each operator occurs, by its type; empty for files with control flow."""
    cut_file = cuts(path)
    counts: dict[str, int] = {}
    for kind, _ in cut_file.operators if cut_file else ():
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def _described(model: Any, graph: Any) -> list[Any]:
    rows = []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        rows.append(
            [
                # Old files have the first 127 types only in a one-byte field, newer ones in both.
                max(code.BuiltinCode(), code.DeprecatedBuiltinCode()),
                (code.CustomCode() or b"").decode(errors="replace"),
                [_tensor(graph, operator.Inputs(i)) for i in range(operator.InputsLength())],
                [_tensor(graph, operator.Outputs(i)) for i in range(operator.OutputsLength())],
            ]
        )
    ends = [
        [graph.Inputs(i) for i in range(graph.InputsLength())],
        [graph.Outputs(i) for i in range(graph.OutputsLength())],
    ]
    return [rows, [[_tensor(graph, i) for i in end] for end in ends]]


def _tensor(graph: Any, index: int) -> list[Any] | None:
    if index < 0:  # an optional input that is not there
        return None
    tensor = graph.Tensors(index)
    return [int(tensor.Type()), [int(tensor.Shape(i)) for i in range(tensor.ShapeLength())]]
