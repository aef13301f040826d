"""The same network with uint8 input and output: MediaPipe and tflite-support refuse int8.

Two QUANTIZE operators shift the zero points by 128 at the ends of the graph; between them nothing changes. A task library passes
raw pixels, so the file is written only if the int8 input is a pixel minus 128.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from edgekit.bundle.subject import Subject
from edgekit.data.pixels import scaled
from edgekit.errors import ExportError
from edgekit.export.flatbuffer import SharingBuilder
from edgekit.inference import litert

SHIFT = 128
SUFFIX = "_task"


def refusal(subject: Subject) -> str | None:
    """Why a task library cannot run the file, nor a uint8 form of it; None = it can run that form.

    Float files need no such form: they work as they are.
    """
    given, result = subject.artifact.inputs[0], subject.artifact.outputs[0]
    if len(given.shape) != 4 or given.shape[3] != 3:
        return "they only take images of three channels"
    if (given.dtype, result.dtype) != ("int8", "int8"):
        return f"its input is {given.dtype} and its output {result.dtype}"
    pixels = np.arange(256, dtype=np.uint8)[:, None, None, None]
    taken = litert.quantize(np.asarray(scaled(pixels, subject.input_range)), given)
    if not np.array_equal(taken.astype(np.int16), pixels.astype(np.int16) - SHIFT):
        return "its input scale is not that of plain pixels"
    return None


def uint8_form(content: bytes) -> bytes:
    """The .tflite with uint8 input and output: q + 128 for every int8 q.

    Raises:
        ExportError: it does not have exactly one graph with one int8 input and one int8 output.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graph = model.subgraphs[0]
    ends = [graph.tensors[int(i)] for i in (*graph.inputs, *graph.outputs)]
    if len(model.subgraphs) != 1 or len(ends) != 2 or any(end.type != schema.TensorType.INT8 for end in ends):
        raise ExportError("Only a .tflite of one graph with one int8 input and one int8 output has a uint8 form.")
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    code.version = 1
    model.operatorCodes.append(code)
    buffer = len(model.buffers)
    model.buffers.append(schema.BufferT())
    given, result = int(graph.inputs[0]), int(graph.outputs[0])
    outside = [_outside(schema, end, buffer) for end in ends]
    outer_input, outer_output = len(graph.tensors), len(graph.tensors) + 1
    graph.tensors = [*graph.tensors, *outside]
    quantize = len(model.operatorCodes) - 1
    graph.operators = [
        _operator(schema, quantize, outer_input, given),
        *graph.operators,
        _operator(schema, quantize, result, outer_output),
    ]
    graph.inputs, graph.outputs = [outer_input], [outer_output]
    for signature in model.signatureDefs or []:
        for each in (*signature.inputs, *signature.outputs):
            each.tensorIndex = {given: outer_input, result: outer_output}.get(int(each.tensorIndex), each.tensorIndex)
    builder = SharingBuilder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _outside(schema: Any, inside: Any, buffer: int) -> Any:
    tensor = copy.copy(inside)
    tensor.quantization = copy.copy(inside.quantization)
    tensor.quantization.zeroPoint = np.array([int(inside.quantization.zeroPoint[0]) + SHIFT], np.int64)
    tensor.type, tensor.buffer, tensor.name = schema.TensorType.UINT8, buffer, (inside.name or b"") + b"_uint8"
    return tensor


def _operator(schema: Any, code: int, source: int, target: int) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, [source], [target]
    return operator
