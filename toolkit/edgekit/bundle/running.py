"""Running a file on raw tensors, one sample at a time, the way an app does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekit.quiet import quiet_stderr

# xnnpack: LiteRT's default. reference: its plain, portable kernels, from which those of TFLite Micro are derived.
Kernels = Literal["xnnpack", "reference", "onnxruntime"]


def raw(path: Path, tensors: NDArray[Any], kernels: Kernels = "xnnpack", *, copies: int = 1) -> NDArray[Any]:
    """(N, K) output tensors of (N, ...) input tensors, nothing quantized or dequantized.

    Args:
        path: a .tflite, or an .onnx with `kernels` "onnxruntime".
        copies: samples that a file with a fixed batch takes at a time; it is padded with copies of the one.
    """
    blocks = [np.repeat(tensors[i : i + 1], copies, axis=0) for i in range(len(tensors))]
    with quiet_stderr():
        outputs = _onnx(path, blocks) if kernels == "onnxruntime" else _lite(path, blocks, kernels)
    return np.concatenate([output[:1] for output in outputs])


def _lite(path: Path, blocks: list[NDArray[Any]], kernels: Kernels) -> list[NDArray[Any]]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_REF if kernels == "reference" else OpResolverType.AUTO
    interpreter = Interpreter(model_path=str(path), num_threads=1, experimental_op_resolver_type=resolver)
    given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(given["index"], blocks[0].shape)
    interpreter.allocate_tensors()
    outputs = []
    for block in blocks:
        interpreter.set_tensor(given["index"], block)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"]))
    return outputs


def _onnx(path: Path, blocks: list[NDArray[Any]]) -> list[NDArray[Any]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return [session.run(None, {name: block})[0] for block in blocks]
