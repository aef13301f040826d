"""Two .tflite files become one: the output of the first is the input of the second, and every operator stays unchanged.

This way a front end can stay in float32 before a network that computes in integers, which the converter does not allow: it would
quantize both.
"""

from __future__ import annotations

import copy
from typing import Any

from edgekit.errors import ExportError

_IDENTIFIER = b"TFL3"


def stitched(first: bytes, second: bytes, *, given: str, result: str) -> bytes:
    """The file that computes `second` of `first`, with float32 inputs and outputs.

    Args:
        first, second: files of one graph with one input and one output; the output of `first` is float32 and has the input shape
            of `second`. A quantized input or output of `second` becomes an operator QUANTIZE before or DEQUANTIZE after it.
        given, result: names of the input and the output.

    Raises:
        ExportError: the files have other inputs, outputs or graphs.
    """
    from ai_edge_litert import schema_py_generated as schema

    one, two = _parsed(first), _parsed(second)
    head, tail = one.subgraphs[0], two.subgraphs[0]
    head_output, tail_input = head.tensors[int(head.outputs[0])], tail.tensors[int(tail.inputs[0])]
    gives, takes = ([int(side) for side in tensor.shape] for tensor in (head_output, tail_input))
    if head_output.type != schema.TensorType.FLOAT32 or gives[1:] != takes[1:]:
        raise ExportError(f"The first file outputs {gives}, the second expects {takes}; they must match.")
    buffers, codes, tensors = len(one.buffers), len(one.operatorCodes), len(head.tensors)
    for tensor in tail.tensors:
        tensor.buffer += buffers
    for operator in tail.operators:
        operator.opcodeIndex += codes
        for which in ("inputs", "outputs", "intermediates"):
            if (indices := getattr(operator, which)) is not None:
                setattr(operator, which, [int(i) + tensors if i >= 0 else -1 for i in indices])
    one.buffers += two.buffers
    one.operatorCodes += two.operatorCodes
    head.tensors += tail.tensors
    between, end = int(tail.inputs[0]) + tensors, int(tail.outputs[0]) + tensors
    joint: list[Any] = []
    if tail_input.type == schema.TensorType.FLOAT32:
        _renamed(tail.operators, between, int(head.outputs[0]))
    else:
        joint.append(_conversion(one, schema.BuiltinOperator.QUANTIZE, int(head.outputs[0]), between))
    head.operators = [*head.operators, *joint, *tail.operators]
    output = head.tensors[end]
    if output.type != schema.TensorType.FLOAT32:
        real = copy.copy(output)
        real.type, real.quantization, real.buffer = schema.TensorType.FLOAT32, None, _empty(one)
        head.tensors.append(real)
        head.operators.append(_conversion(one, schema.BuiltinOperator.DEQUANTIZE, end, len(head.tensors) - 1))
        end = len(head.tensors) - 1
    head.outputs = [end]
    head.tensors[int(head.inputs[0])].name, head.tensors[end].name = given.encode(), result.encode()
    one.signatureDefs = [_signature(schema, int(head.inputs[0]), end, given, result)]
    one.metadata = one.metadataBuffer = None
    one.description = None
    return _packed(one)


def _parsed(content: bytes) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    if content[4:8] != _IDENTIFIER:
        raise ExportError("A file to stitch is not a .tflite file (no TFL3 identifier).")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graphs = model.subgraphs
    if len(graphs) != 1 or len(graphs[0].inputs) != 1 or len(graphs[0].outputs) != 1:
        raise ExportError("Only .tflite files of one graph with one input and one output can be stitched.")
    if any(buffer.offset > 1 for buffer in model.buffers):
        raise ExportError("A .tflite whose data is stored after its flatbuffer cannot be stitched.")
    return model


def _packed(model: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def _conversion(model: Any, code: int, source: int, target: int) -> Any:
    """An operator that converts tensor `source` to `target`, one of which is quantized."""
    from ai_edge_litert import schema_py_generated as schema

    operator_code = schema.OperatorCodeT()
    operator_code.builtinCode = operator_code.deprecatedBuiltinCode = code
    operator_code.version = 1
    model.operatorCodes.append(operator_code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = [source], [target]
    return operator


def _renamed(operators: Any, old: int, new: int) -> None:
    for operator in operators:
        operator.inputs = [new if i == old else int(i) for i in operator.inputs]


def _empty(model: Any) -> int:
    """A new buffer without data, as for computed tensors."""
    from ai_edge_litert import schema_py_generated as schema

    model.buffers.append(schema.BufferT())
    return len(model.buffers) - 1


def _signature(schema: Any, given: int, result: int, given_name: str, result_name: str) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    for name, index, where in ((given_name, given, "inputs"), (result_name, result, "outputs")):
        tensor = schema.TensorMapT()
        tensor.name, tensor.tensorIndex = name.encode(), index
        setattr(signature, where, [tensor])
    return signature
