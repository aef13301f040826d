"""Float .tflite -> ONNX (opset 18) with tf2onnx, always loaded once in ONNX Runtime: a bad graph shows only there.

Going by way of the .tflite gives ONNX the very graph that ships, and works where the Keras exporters do not.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

from edgekit import tf
from edgekit.errors import ExportError
from edgekit.quiet import quiet_stderr

OPSET = 18


def convert(source: Path, target: Path) -> None:
    """Write the ONNX form of the float32 file `source` to `target`.

    Raises:
        ExportError: tf2onnx has no equivalent of an operator, or ONNX Runtime refuses the graph.
    """
    tf.tensorflow()
    import onnxruntime
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    try:
        with quiet_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tf2onnx reads the file with the deprecated tf.lite.Interpreter
            tf2onnx.convert.from_tflite(str(source), opset=OPSET, output_path=str(target))
            onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    except Exception as error:  # tf2onnx and ONNX Runtime raise types of their own without a common base
        raise ExportError(f"{source.name} could not be written as ONNX: {str(error).splitlines()[0]}") from error
