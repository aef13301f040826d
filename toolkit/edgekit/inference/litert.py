"""Running a .tflite on arrays through LiteRT: described, run in batches on all cores, outputs converted to real numbers."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.pixels import to_float
from edgekit.device import runner
from edgekit.errors import DataError
from edgekit.evidence import temperature
from edgekit.quiet import quiet_stderr
from edgekit.types import Images, Output, TensorSpec

BATCH = 64
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe(path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """(inputs, outputs) of a .tflite; a dynamic dimension is -1. Raises DataError if it is not a .tflite."""
    interpreter = _interpreter(path, threads=1)
    return (
        tuple(_spec(detail) for detail in interpreter.get_input_details()),
        tuple(_spec(detail) for detail in interpreter.get_output_details()),
    )


def run(
    path: Path, x: Images, *, batch: int = BATCH, threads: int | None = None, delegate: str = "xnnpack"
) -> NDArray[Any]:
    """Run a one-input, one-output classifier on images.

    With a fixed batch size, the last batch is padded with copies of the last image.

    Args:
        x: (N, H, W, C) uint8 pixels or float32 in [0, 1]; quantized here as the input tensor requires.
        batch: images per invocation; the last one may be smaller.
        threads: worker threads, each with its own interpreter; all cores by default.
        delegate: "xnnpack" (the runtime's default) or "none" (its plain kernels).

    Returns:
        (N, K) in the output tensor's own type.

    Raises:
        DataError: the file does not run, or not on inputs of this shape.
    """
    (given, *_), _ = describe(path)
    fixed = given.shape[0] > 0  # a file from elsewhere
    if fixed:
        batch = given.shape[0]
    starts = list(range(0, len(x), batch))
    workers = max(1, min(threads or cores(), len(starts)))
    shares = np.array_split(np.array(starts), workers)

    def work(share: NDArray[np.int64]) -> list[NDArray[Any]]:
        interpreter = _interpreter(path, threads=1, delegate=delegate)
        given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        spec, outputs, shape = _spec(given), [], None
        for start in share:
            block = quantize(x[start : start + batch], spec)
            if fixed:
                block = np.concatenate([block, *[block[-1:]] * (batch - len(block))])
            try:
                if block.shape != shape:
                    interpreter.resize_tensor_input(given["index"], block.shape)
                    interpreter.allocate_tensors()
                    shape = block.shape
                interpreter.set_tensor(given["index"], block)
                interpreter.invoke()
            except (ValueError, RuntimeError) as error:
                raise DataError(f"{path} does not run on inputs of {block.shape}: {first_line(error)}") from None
            outputs.append(interpreter.get_tensor(result["index"]))
        return outputs

    with quiet_stderr(), ThreadPoolExecutor(workers) as pool:
        return np.concatenate([block for blocks in pool.map(work, shares) for block in blocks])[: len(x)]


def kernels(path: Path, delegate: str = "xnnpack") -> str:
    """Which kernels compute a file here: "xnnpack", or "builtin" if the delegate is disabled or not applied."""
    return str(runner.kernels(_interpreter(path, threads=1, delegate=delegate)))  # type: ignore[no-untyped-call]


def outputs(path: Path, x: Images, *, batch: int = BATCH, threads: int | None = None) -> NDArray[np.float32]:
    """`run`, dequantized: (N, K) float32, in the units of the file's own output."""
    _, (output, *_) = describe(path)
    return dequantize(run(path, x, batch=batch, threads=threads), output)


def probabilities(
    path: Path, x: Images, *, batch: int = BATCH, threads: int | None = None, output: Output = "probabilities"
) -> NDArray[np.float32]:
    """(N, K) float32 probabilities; output: the kind of the file's output."""
    return temperature.probabilities(outputs(path, x, batch=batch, threads=threads), output).astype(
        np.float32, copy=False
    )


def limits(spec: TensorSpec) -> tuple[float, float] | None:
    """The smallest and largest real value that a quantized tensor can hold; None for float tensors."""
    if spec.scale == 0:
        return None
    ends = np.iinfo(spec.dtype)
    least, largest = dequantize(np.array([ends.min, ends.max], spec.dtype), spec)
    return float(least), float(largest)


def quantize(x: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    """Pixels -> values of the input tensor: q = round(real / scale) + zero_point, saturated (LiteRT's definition)."""
    real = to_float(x)
    if spec.scale == 0:
        return real.astype(spec.dtype)
    limits = np.iinfo(spec.dtype)
    quantized: NDArray[Any] = np.clip(
        np.round(real / np.float32(spec.scale)) + spec.zero_point, limits.min, limits.max
    ).astype(spec.dtype)
    return quantized


def dequantize(raw: NDArray[Any], spec: TensorSpec) -> NDArray[np.float32]:
    """real = (q - zero_point) * scale; float outputs pass unchanged."""
    if spec.scale == 0:
        return raw.astype(np.float32)
    return (raw.astype(np.float32) - spec.zero_point) * np.float32(spec.scale)


def sparsity(path: Path) -> float:
    """The share of zeros among the weights of convolutions and dense layers, read from the file itself."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    types = {
        schema.TensorType.INT8: np.int8,
        schema.TensorType.FLOAT32: np.float32,
        schema.TensorType.FLOAT16: np.float16,
    }
    zeros = total = 0
    for graph in model.subgraphs:
        made_by = {output: op for op in graph.operators for output in op.outputs}
        for operator in graph.operators:
            if names[model.operatorCodes[operator.opcodeIndex].builtinCode] not in _WEIGHTED:
                continue
            index = operator.inputs[1]
            # float16 weights reach their operator through a DEQUANTIZE
            index = made_by[index].inputs[0] if index in made_by else index
            tensor = graph.tensors[index]
            data = model.buffers[tensor.buffer].data
            if data is not None and tensor.type in types:
                values = np.frombuffer(bytes(data), types[tensor.type])
                zeros, total = zeros + int((values == 0).sum()), total + values.size
    return zeros / total if total else 0.0


def _interpreter(path: Path, *, threads: int, delegate: str = "xnnpack") -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.AUTO if delegate == "xnnpack" else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES

    try:
        with quiet_stderr():
            interpreter = Interpreter(model_path=str(path), num_threads=threads, experimental_op_resolver_type=resolver)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise DataError(f"{path} is not a .tflite that LiteRT can run: {first_line(error)}") from None
    return interpreter


def first_line(error: Exception) -> str:
    """What a runtime said, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _spec(detail: dict[str, Any]) -> TensorSpec:
    scale, zero_point = detail["quantization"]
    return TensorSpec(
        name=detail["name"],
        dtype=np.dtype(detail["dtype"]).name,
        shape=tuple(int(n) for n in detail["shape_signature"]),
        scale=float(scale),
        zero_point=int(zero_point),
    )
