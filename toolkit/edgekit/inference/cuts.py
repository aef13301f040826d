"""Where a .tflite can be cut after each of its operators, so that a device without a FlatBuffers parser can time the parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Where the table of a SubGraph (schema.fbs) stores the positions of its third and fourth field.
_OUTPUTS, _OPERATORS = 8, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """The operators of a .tflite, and the bytes to change for a file with only the first ones (see device/runner.py).

    operators: (type, name of the first output) in execution order. live: for each number of operators kept, from none to
    all, the tensors that later operators or the caller read; only with all of them as outputs does a delegate skip nothing.
    outputs_field: offset of the reference to the graph's outputs. operators_length: offset of the number of its operators.
    """

    operators: tuple[tuple[str, str], ...]
    live: tuple[tuple[int, ...], ...]
    outputs_field: int
    operators_length: int


def cuts(path: Path) -> Cuts | None:
    """The cuts of a .tflite that LiteRT can run; None if it has several subgraphs (control flow)."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    if model.SubgraphsLength() != 1:
        return None
    graph = model.Subgraphs(0)
    operators = [graph.Operators(index) for index in range(graph.OperatorsLength())]
    inputs = [graph.Inputs(index) for index in range(graph.InputsLength())]
    outputs = [graph.Outputs(index) for index in range(graph.OutputsLength())]
    last_use = {op.Inputs(i): index for index, op in enumerate(operators) for i in range(op.InputsLength())}
    last_use |= dict.fromkeys(outputs, len(operators))
    written, live = inputs, [tuple(inputs)]
    for index, op in enumerate(operators):
        written = written + [op.Outputs(i) for i in range(op.OutputsLength())]
        live.append(tuple(tensor for tensor in written if last_use.get(tensor, -1) > index))
    return Cuts(
        operators=tuple((_type(model, op, schema), _name(graph, op)) for op in operators),
        live=(*live[:-1], tuple(outputs)),
        outputs_field=graph._tab.Pos + graph._tab.Offset(_OUTPUTS),
        operators_length=graph._tab.Vector(graph._tab.Offset(_OPERATORS)) - 4,
    )


def _type(model: Any, operator: Any, schema: Any) -> str:
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Old files have the first 127 types only in a one-byte field, newer ones in both.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if number == schema.BuiltinOperator.CUSTOM:
        return str((code.CustomCode() or b"CUSTOM").decode(errors="replace"))
    return next(
        (name for name, value in vars(schema.BuiltinOperator).items() if value == number and not name.startswith("_")),
        f"operator {number}",
    )


def _name(graph: Any, operator: Any) -> str:
    if not operator.OutputsLength():
        return ""
    # A shrunk file only has the names of its inputs and outputs.
    return str((graph.Tensors(operator.Outputs(0)).Name() or b"").decode(errors="replace"))
