"""What TensorFlow Lite Micro needs to know about a .tflite: its operators, and how much memory its tensors take at least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import UsageError

# Operator -> method of tflite::MicroMutableOpResolver (tensorflow/lite/micro/micro_mutable_op_resolver.h).
_METHODS = {
    "ABS": "AddAbs",
    "ADD": "AddAdd",
    "ADD_N": "AddAddN",
    "ARG_MAX": "AddArgMax",
    "ARG_MIN": "AddArgMin",
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "BATCH_MATMUL": "AddBatchMatMul",
    "BATCH_TO_SPACE_ND": "AddBatchToSpaceNd",
    "BROADCAST_ARGS": "AddBroadcastArgs",
    "BROADCAST_TO": "AddBroadcastTo",
    "CAST": "AddCast",
    "CONCATENATION": "AddConcatenation",
    "CONV_2D": "AddConv2D",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "DEPTH_TO_SPACE": "AddDepthToSpace",
    "DEQUANTIZE": "AddDequantize",
    "DIV": "AddDiv",
    "ELU": "AddElu",
    "EXP": "AddExp",
    "EXPAND_DIMS": "AddExpandDims",
    "FILL": "AddFill",
    "FULLY_CONNECTED": "AddFullyConnected",
    "GATHER": "AddGather",
    "HARD_SWISH": "AddHardSwish",
    "L2_NORMALIZATION": "AddL2Normalization",
    "LEAKY_RELU": "AddLeakyRelu",
    "LOGISTIC": "AddLogistic",
    "LOG_SOFTMAX": "AddLogSoftmax",
    "MAXIMUM": "AddMaximum",
    "MAX_POOL_2D": "AddMaxPool2D",
    "MEAN": "AddMean",
    "MINIMUM": "AddMinimum",
    "MIRROR_PAD": "AddMirrorPad",
    "MUL": "AddMul",
    "PACK": "AddPack",
    "PAD": "AddPad",
    "PADV2": "AddPadV2",
    "PRELU": "AddPrelu",
    "QUANTIZE": "AddQuantize",
    "REDUCE_MAX": "AddReduceMax",
    "RELU": "AddRelu",
    "RELU6": "AddRelu6",
    "RESHAPE": "AddReshape",
    "RESIZE_BILINEAR": "AddResizeBilinear",
    "RESIZE_NEAREST_NEIGHBOR": "AddResizeNearestNeighbor",
    "RSQRT": "AddRsqrt",
    "SHAPE": "AddShape",
    "SLICE": "AddSlice",
    "SOFTMAX": "AddSoftmax",
    "SPACE_TO_BATCH_ND": "AddSpaceToBatchNd",
    "SPACE_TO_DEPTH": "AddSpaceToDepth",
    "SPLIT": "AddSplit",
    "SPLIT_V": "AddSplitV",
    "SQUARED_DIFFERENCE": "AddSquaredDifference",
    "SQUEEZE": "AddSqueeze",
    "STRIDED_SLICE": "AddStridedSlice",
    "SUB": "AddSub",
    "SUM": "AddSum",
    "SVDF": "AddSvdf",
    "TANH": "AddTanh",
    "TRANSPOSE": "AddTranspose",
    "TRANSPOSE_CONV": "AddTransposeConv",
    "UNPACK": "AddUnpack",
}
# The planner of TFLite Micro starts every tensor at a multiple of this.
ALIGNMENT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """operators: their types, each once, in execution order. methods: of the resolver, for each of them.

    arena_bytes: the largest total of tensors alive at one time, for one sample, each rounded up to `ALIGNMENT`. A real arena is
    larger: it also has the interpreter's own structures, the kernels' scratch memory and gaps in the memory plan.
    """

    operators: Sequence[str]
    methods: Sequence[str]
    arena_bytes: int
    arena_at: str


def needs(path: Path) -> Needs:
    """The requirements of a file.

    Raises:
        UsageError: it has several graphs, or an operator that TFLite Micro lacks.
    """
    from edgekit.inference.cuts import cuts

    cut_file = cuts(path)
    if cut_file is None:
        raise UsageError(f"{path} has several graphs (control flow); a bundle for mcu needs a file with one.")
    operators = list(dict.fromkeys(name for name, _ in cut_file.operators))
    if unknown := [name for name in operators if name not in _METHODS]:
        raise UsageError(
            f"TFLite Micro has no {', '.join(unknown)}, which {path} uses; choose a student without it, such as ds_cnn or "
            "microresnet."
        )
    graph = _graph(path)
    sizes, live = _sizes(graph), _live(graph)
    totals = [sum(sizes[tensor] for tensor in each) for each in live]
    most = max(range(len(totals)), key=totals.__getitem__)
    return Needs(
        operators=operators,
        methods=[_METHODS[name] for name in operators],
        arena_bytes=totals[most],
        arena_at=f"operator {most + 1} of {len(totals)}, {cut_file.operators[most][0]}",
    )


def _live(graph: Any) -> list[set[int]]:
    """For each operator the computed tensors that must be in memory while it runs: its own, and those that later ones read."""
    last = {int(i): len(graph.operators) for i in graph.outputs}
    for number, operator in enumerate(graph.operators):
        for i in operator.inputs:
            last[int(i)] = max(number, last.get(int(i), 0))
    # Constants are not outputs of any operator, so they are never counted: they stay in flash.
    held, live = {int(i) for i in graph.inputs}, []
    for number, operator in enumerate(graph.operators):
        held = {i for i in held if last.get(i, -1) >= number} | {int(i) for i in operator.outputs}
        live.append(held)
    return live


def _sizes(graph: Any) -> list[int]:
    """Bytes of each tensor for one sample, rounded up."""
    sizes = []
    for tensor in graph.tensors:
        count = 1
        for length in tensor.shape if tensor.shape is not None else []:
            count *= max(1, int(length))
        sizes.append(-(-count * _width(tensor.type) // ALIGNMENT) * ALIGNMENT)
    return sizes


def _width(kind: int) -> int:
    from ai_edge_litert import schema_py_generated as schema

    types = schema.TensorType
    wide = {
        types.INT8: 1,
        types.UINT8: 1,
        types.BOOL: 1,
        types.INT16: 2,
        types.FLOAT16: 2,
        types.INT64: 8,
        types.FLOAT64: 8,
    }
    return wide.get(kind, 4)


def _graph(path: Path) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0)).subgraphs[0]
