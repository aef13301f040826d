"""Keras model -> .tflite in one precision, by the TFLite converter.

The batch dimension stays dynamic in every file: batched evaluation, on the host and on devices, depends on it.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import warnings
import weakref
from collections.abc import MutableMapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ExportError
from edgekit.frameworks import tf
from edgekit.quiet import quiet_stderr

PRECISIONS = ("float32", "float16", "dynamic", "int8", "int16x8")
_CALIBRATED = ("int8", "int16x8")
# Model -> the digest of its weights and its SavedModel's folder, which lives as long as the model.
_saved: MutableMapping[Any, tuple[str, str]] = weakref.WeakKeyDictionary()


def convert(
    model: Any,
    precision: str,
    *,
    io: str = "int8",
    calibration: NDArray[np.float32] | None = None,
    per_channel: bool = True,
    denylist: Sequence[str] = (),
) -> bytes:
    """Convert a model to a flatbuffer.

    Args:
        model: Keras 3 functional model on the TensorFlow backend, or a tf_keras model; a quantization-aware one includes its
            ranges and supports int8 only.
        precision: "float32", "float16", "dynamic", "int8" (full integer) or "int16x8" (int16 activations, int8 weights).
        io: input and output type of an int8 file: "int8", "uint8" or "float32". Other precisions use float32, as does an
            int8 file with a denylist.
        calibration: (M, H, W, C) float32 in [0, 1], for int8 and int16x8.
        per_channel: a scale for each output channel of a kernel, or one for the whole kernel.
        denylist: names of tensors, as in the float file, whose operators stay in float (int8 only).

    Returns:
        The file's bytes.

    Raises:
        ExportError: the converter failed, or calibration samples are missing.
    """
    ready_made = is_quantization_aware(model)
    if precision not in PRECISIONS or (ready_made and precision != "int8"):
        known = "int8" if ready_made else ", ".join(PRECISIONS)
        raise ExportError(f"This model cannot be written as {precision!r}; expected one of: {known}.")
    if precision in _CALIBRATED and not ready_made and (calibration is None or not len(calibration)):
        raise ExportError(f"{precision} needs calibration samples; none were given.")
    if denylist and (precision != "int8" or ready_made):
        raise ExportError("Layers can be kept in float only in an int8 file of a model without fake quantization.")
    lite = tf.tensorflow().lite
    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the debugger uses the deprecated tf.lite.Interpreter
        try:
            converter = lite.TFLiteConverter.from_saved_model(_folder_of(model))
            _settings(converter, precision, io, None if ready_made else calibration, per_channel)
            if denylist:
                options = lite.experimental.QuantizationDebugOptions(denylisted_nodes=list(denylist))
                debugger = lite.experimental.QuantizationDebugger(converter=converter, debug_options=options)
                content: bytes = bytes(debugger.get_nondebug_quantized_model())
            else:
                content = converter.convert()
        except OSError:
            raise
        # The converter raises anything from ValueError to a bare Exception with pages of MLIR; the first line is the message.
        except Exception as error:
            line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ExportError(f"The TFLite converter could not write a {precision} file: {line}") from error
    return content


def is_quantization_aware(model: Any) -> bool:
    """Whether `model` is a tf_keras model with tfmot's fake quantization."""
    return any(base.__name__.startswith("Quantize") for layer in model.layers for base in type(layer).__mro__)


def _folder_of(model: Any) -> str:
    """The SavedModel of `model`. Saving takes as long as converting, and one model is converted to several precisions."""
    digest = hashlib.sha256(b"".join(array.tobytes() for array in model.get_weights())).hexdigest()
    known, folder = _saved.get(model, ("", ""))
    if known != digest:
        folder = tempfile.mkdtemp(prefix="edgekit-")
        weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)
        _save(model, folder)
        _saved[model] = digest, folder
    return folder


def _save(model: Any, folder: str) -> None:
    # Not from_keras_model: it prints the whole signature to stdout; internally it does the same.
    if not type(model).__module__.startswith("tf_keras"):
        model.export(folder, verbose=False)
        return
    tensorflow = tf.tensorflow()
    image = tensorflow.TensorSpec(model.inputs[0].shape, tensorflow.float32, name=model.input_names[0])
    # A separate module with nothing but the weights: saving a tf_keras model traces each of its layers as well.
    served = tensorflow.Module()
    served.kept = model.weights
    served.serve = tensorflow.function(lambda x: {"output_0": model(x, training=False)}, input_signature=[image])
    tensorflow.saved_model.save(served, folder, signatures=served.serve)


def _settings(
    converter: Any, precision: str, io: str, calibration: NDArray[np.float32] | None, per_channel: bool
) -> None:
    tensorflow = tf.tensorflow()
    operators = tensorflow.lite.OpsSet
    if precision != "float32":
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter._experimental_disable_per_channel = not per_channel
    converter._experimental_disable_per_channel_quantization_for_dense_layers = not per_channel
    if calibration is not None and precision in _CALIBRATED:
        samples = calibration
        converter.representative_dataset = lambda: ([samples[i : i + 1]] for i in range(len(samples)))
    if precision == "float16":
        converter.target_spec.supported_types = [tensorflow.float16]
    if precision == "int16x8":
        converter.target_spec.supported_ops = [operators.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    if precision == "int8":
        if (
            calibration is not None
        ):  # requires a representative data set, which a quantization-aware model does not need
            converter.target_spec.supported_ops = [operators.TFLITE_BUILTINS_INT8]
        kind = {"int8": tensorflow.int8, "uint8": tensorflow.uint8, "float32": tensorflow.float32}[io]
        converter.inference_input_type = converter.inference_output_type = kind
