"""The one place that runs the file: LiteRT for a .tflite, ONNX Runtime for an .onnx, one sample at a time."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .errors import Refused

Run = Callable[[Any], Any]
_INSTALL = "install it as README.md says, with `pip install -r requirements.txt` in a venv, and run the venv's Python"


def opened(path: Path, threads: int) -> tuple[Run, str]:
    """(function from an input tensor (1, ...) to an output tensor (1, K), name and version of the runtime)."""
    if path.suffix == ".onnx":
        return _onnx(path, threads)
    for package in ("ai_edge_litert", "tflite_runtime"):
        try:
            module = importlib.import_module(f"{package}.interpreter")
        except ImportError:
            continue
        version = getattr(importlib.import_module(package), "__version__", "of unknown version")
        return _lite(module, path, threads), f"{package.replace('_', '-')} {version}"
    raise Refused(f"neither ai_edge_litert nor tflite_runtime can be imported; {_INSTALL}.")


def _lite(module: Any, path: Path, threads: int) -> Run:
    interpreter = module.Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    # A file from elsewhere may have a fixed batch: it is padded with copies.
    copies = int(given["shape"][0])

    def run(tensor: Any) -> Any:
        interpreter.set_tensor(given["index"], np.repeat(tensor, copies, axis=0))
        interpreter.invoke()
        return interpreter.get_tensor(result["index"])[:1]

    return run


def _onnx(path: Path, threads: int) -> tuple[Run, str]:
    try:
        module = importlib.import_module("onnxruntime")
    except ImportError:
        raise Refused(f"onnxruntime cannot be imported; {_INSTALL}.") from None
    options = module.SessionOptions()
    options.intra_op_num_threads = threads
    session = module.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name, batch = session.get_inputs()[0].name, session.get_inputs()[0].shape[0]
    copies = batch if isinstance(batch, int) and batch > 0 else 1

    def run(tensor: Any) -> Any:
        return session.run(None, {name: np.repeat(tensor, copies, axis=0)})[0][:1]

    return run, f"onnxruntime {module.__version__}"
