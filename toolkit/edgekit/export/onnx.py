""".tflite -> ONNX (opset 18) with tf2onnx, always loaded once in ONNX Runtime: only this reveals a bad graph.

Converting from the .tflite gives ONNX exactly the graph that ships, and works where the Keras exporters do not. For int8, ONNX
Runtime's static quantization (QDQ) of that graph, on the samples that calibrated the .tflite, creates what its kernels can fuse.
Where its predictions differ from the .tflite's too often, and for files whose ranges were trained, the int8 .tflite itself is
translated: the same scales, the same predictions.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ExportError
from edgekit.frameworks import tf
from edgekit.inference import litert
from edgekit.quiet import quiet_stderr
from edgekit.types import TensorSpec

OPSET = 18


def convert(source: Path, target: Path) -> None:
    """Write the ONNX form of the .tflite `source` to `target`, with float32 input and output regardless of `source`.

    Raises:
        ExportError: tf2onnx has no equivalent of an operator, or ONNX Runtime refuses the graph.
    """
    tf.tensorflow()
    import tf2onnx

    with _failing_as_export(source), _quiet(), _only_errors_of("tf2onnx"):
        handlers: dict[str, tuple[Any, list[Any]]] = {"TFL_GELU": (_gelu, [])}
        tf2onnx.convert.from_tflite(str(source), opset=OPSET, output_path=str(target), custom_op_handlers=handlers)
        (given, *_), (result, *_) = litert.describe(source)
        _real_input_and_output(target, given, result)
        _load(target)


def quantize(source: Path, target: Path, samples: NDArray[np.float32], *, per_channel: bool = True) -> None:
    """Quantize the float .onnx `source` with ONNX Runtime: static, QDQ, uint8 activations, int8 weights.

    Args:
        samples: (M, H, W, C) float32 in [0, 1], the calibration samples of the .tflite.

    Raises:
        ExportError: ONNX Runtime could not quantize the graph.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.preprocess import quant_pre_process

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self, name: str) -> None:
            self._rows = iter([{name: samples[i : i + 1]} for i in range(len(samples))])

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            return next(self._rows, None)

    with _failing_as_export(source), _quiet(), _only_errors_of(None), tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        # Symbolic shapes would need sympy; the quantizer benefits from the folding of constants.
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(ready),
            str(target),
            Reader(_load(ready).get_inputs()[0].name),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=per_channel,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        _load(target)


def _gelu(graph: Any, node: Any, name: str, args: Any) -> None:
    """GELU, which tf2onnx lacks: x (1 + erf(x / sqrt 2)) / 2, or x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2."""
    x, shapes, types = node.input[0], node.output_shapes, node.output_dtypes
    approximate = node.attr.get("approximate")

    def constant(value: float) -> str:
        output: str = graph.make_const(f"{name}_{value:.6f}", np.array(value, np.float32)).output[0]
        return output

    def node_of(kind: str, *inputs: str) -> str:
        output: str = graph.make_node(kind, list(inputs), shapes=shapes, dtypes=types).output[0]
        return output

    graph.remove_node(node.name)
    if approximate is not None and approximate.i:
        cube = node_of("Mul", node_of("Mul", node_of("Mul", x, x), x), constant(0.044715))
        curve = node_of("Tanh", node_of("Mul", node_of("Add", x, cube), constant((2 / np.pi) ** 0.5)))
    else:
        curve = node_of("Erf", node_of("Mul", x, constant(0.5**0.5)))
    scaled = node_of("Mul", x, constant(0.5))
    last = node_of("Add", curve, constant(1.0))
    graph.make_node("Mul", [scaled, last], outputs=node.output, shapes=shapes, dtypes=types, name=name)


def _load(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _real_input_and_output(path: Path, given: TensorSpec, result: TensorSpec) -> None:
    """Put QuantizeLinear after an integer input and DequantizeLinear before an integer output, under the old names."""
    import onnx
    from onnx import helper, numpy_helper

    if not given.scale and not result.scale:
        return
    model = onnx.load(str(path))
    graph = model.graph
    ends = [(graph.input[0], given, "QuantizeLinear"), (graph.output[0], result, "DequantizeLinear")]
    for value, spec, operator in ends:
        if not spec.scale:
            continue
        outer, inner = value.name, f"{value.name}_quantized"
        for node in graph.node:
            for names in (node.input, node.output):
                names[:] = [inner if name == outer else name for name in names]
        constants = [np.float32(spec.scale), np.array(spec.zero_point, spec.dtype)]
        names = [f"{inner}_scale", f"{inner}_zero_point"]
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(c), n) for c, n in zip(constants, names, strict=True)
        )
        entering = operator == "QuantizeLinear"
        ports = ([outer, *names], [inner]) if entering else ([inner, *names], [outer])
        node = helper.make_node(operator, *ports, name=f"{inner}_{operator}")
        # Nodes must be in the order they run.
        graph.node.insert(0 if entering else len(graph.node), node)
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    onnx.save(model, str(path))


@contextlib.contextmanager
def _failing_as_export(source: Path) -> Iterator[None]:
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # tf2onnx and ONNX Runtime raise types without a common base
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ExportError(f"{source.name} could not be written as ONNX: {line}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf2onnx reads the file with the deprecated tf.lite.Interpreter
        yield


@contextlib.contextmanager
def _only_errors_of(logger: str | None) -> Iterator[None]:
    """Show only errors of `logger`; None = the root logger, where onnxruntime.quantization logs its advice."""
    held = logging.getLogger(logger)
    before = held.level
    held.setLevel(logging.ERROR)
    try:
        yield
    finally:
        held.setLevel(before)
