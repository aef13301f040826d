"""Keras 3 model -> .tflite in one precision, by the TFLite converter.

The batch dimension stays dynamic in every file: batched evaluation, on the host and on devices, rests on it.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import tf
from edgekit.errors import ExportError
from edgekit.quiet import quiet_stderr


def convert(model: Any, precision: str, *, io: str = "int8", calibration: NDArray[np.float32] | None = None) -> bytes:
    """Convert a model to a flatbuffer.

    Args:
        model: Keras 3 functional model on the TensorFlow backend.
        precision: "float32", "float16", "dynamic" or "int8" (full integer, per-channel weights).
        io: input and output type of an int8 file: "int8", "uint8" or "float32". Other precisions have float32.
        calibration: (M, H, W, C) float32 in [0, 1], for int8.

    Returns:
        The file's bytes.

    Raises:
        ExportError: the converter failed, or int8 is asked for without calibration samples.
    """
    tensorflow = tf.tensorflow()
    lite = tensorflow.lite
    with quiet_stderr(), tempfile.TemporaryDirectory() as folder:
        try:
            # Not from_keras_model: it prints the whole signature to stdout, and this is what it does inside.
            model.export(folder, verbose=False)
            converter = lite.TFLiteConverter.from_saved_model(folder)
            if precision in ("float16", "dynamic", "int8"):
                converter.optimizations = [lite.Optimize.DEFAULT]
            if precision == "float16":
                converter.target_spec.supported_types = [tensorflow.float16]
            if precision == "int8":
                if calibration is None or not len(calibration):
                    raise ExportError("int8 needs calibration samples; none were given.")
                samples = calibration
                converter.representative_dataset = lambda: ([samples[i : i + 1]] for i in range(len(samples)))
                converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
                kind = {"int8": tensorflow.int8, "uint8": tensorflow.uint8, "float32": tensorflow.float32}[io]
                converter.inference_input_type = converter.inference_output_type = kind
            content: bytes = converter.convert()
        except (ExportError, OSError):
            raise
        # The converter raises anything from ValueError to a bare Exception with pages of MLIR; the first line says it.
        except Exception as error:
            line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ExportError(f"The TFLite converter could not make a {precision} file: {line}") from error
    return content


def calibration_index(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """`count` sample indices (or all, if fewer), as evenly over the classes as they allow, ascending."""
    rng = np.random.default_rng([seed, 3])
    count = min(count, len(labels))
    pools = [rng.permutation(np.flatnonzero(labels == k)) for k in np.unique(labels)]
    rounds = [pool[depth] for depth in range(max(map(len, pools))) for pool in pools if depth < len(pool)]
    return np.sort(np.array(rounds[:count], np.int64))
