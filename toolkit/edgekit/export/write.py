"""From a converted flatbuffer to the files that ship: checked against the model, also written as ONNX, shrunk, and reported.

Steps that need tensor names (ONNX, the error of each layer) come before the shrink, which removes the names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError, ExportError, GateNotMet
from edgekit.export import layers, onnx, operators, parity, shrink
from edgekit.export.calibration import Calibration
from edgekit.recipe import QuantizationSection
from edgekit.types import Reporter

_LAYER_SAMPLES = 64
# The many ways to int8 share one name in the file name.
_NAMES = {"int8-qat": "int8", "int8-mixed": "int8"}
INTEGER = ("int8", "int8-mixed", "int16x8")


def stem(precision: str) -> str:
    """The file name for a precision, without its suffix."""
    return f"model_{_NAMES.get(precision, precision)}"


def write(
    content: bytes,
    precision: str,
    folder: Path,
    *,
    section: QuantizationSection,
    x: NDArray[Any],
    reporter: Reporter,
    expected: NDArray[np.float32] | None = None,
    float_file: Path | None = None,
    calibration: Calibration | None = None,
    demand_onnx: bool = True,
) -> dict[str, Any]:
    """Write the .tflite (and .onnx) of `content` to `folder`.

    Args:
        precision: "float32", "float16", "dynamic", "int8", "int8-mixed" or "int16x8".
        x: (N, H, W, C) real samples outside test, for all comparisons; 512 or more.
        expected: (N, K) probabilities of the Keras model on `x`: needed for float32; of the fake-quantized model, if it is one.
        float_file: the float32 .tflite of the same weights, with tensor names; None for a model with other weights.
        calibration: where the ranges of activations came from, if they were calibrated on samples.
        demand_onnx: fail if the float32 file cannot be written as ONNX; else warn, and leave it out.

    Returns:
        files, precision, output, parity, calibration, shrink; for integer files also float_operators, layers (or layers_missing)
        and, for int8, onnx_int8.

    Raises:
        ExportError, GateNotMet: a file could not be written or does not compute what it should. An int8 .onnx that fails is
        left out with a warning instead.
    """
    path = folder / f"{stem(precision)}.tflite"
    path.write_bytes(content)
    checks: dict[str, Any] = {"batch": parity.batch_parity(path, x)}
    facts: dict[str, Any] = {"files": [path.name], "precision": precision, "output": section.output}
    facts["parity"] = {path.name: checks}
    if calibration is not None:
        facts["calibration"] = dict(calibration.facts)
        for warning in calibration.facts["warnings"]:
            reporter.warn(warning)
    if precision == "float32" and expected is not None:
        other = _float_onnx(path, demand_onnx, reporter)
        if other is not None:
            facts["files"].append(other.name)
        checks["keras"] = parity.float_parity(expected, path, other, x, output=section.output)
    if precision in INTEGER:
        if expected is not None:
            checks["fake_quantization"] = parity.fake_quantization_parity(expected, path, x)
        facts["float_operators"] = _float_operators(path, content, precision, reporter)
        facts |= _layers(float_file, path, x)
        if section.onnx and precision != "int16x8":
            # ONNX Runtime would calibrate its own ranges on the samples: a fake-quantized model has different ones.
            samples = calibration if expected is None else None
            facts["onnx_int8"] = _int8_onnx(path, float_file, samples, section, x, reporter)
            if facts["onnx_int8"]["written"]:
                facts["files"].append(path.with_suffix(".onnx").name)
                facts["parity"][path.with_suffix(".onnx").name] = facts["onnx_int8"]["parity"]
    facts["shrink"] = _shrink(path, x, reporter) if section.shrink else None
    return facts


def _float_operators(path: Path, content: bytes, precision: str, reporter: Reporter) -> Mapping[str, int]:
    """Operator -> how often it computes in floating point, which "int8" should not do: a warning."""
    counts = operators.float_operators(content)
    if counts and precision == "int8":
        names = ", ".join(f"{name} ({count})" for name, count in counts.items())
        reporter.warn(f"{path.name} computes some operators in floating point: {names}.")
    return counts


def _float_onnx(path: Path, demanded: bool, reporter: Reporter) -> Path | None:
    target = path.with_suffix(".onnx")
    try:
        onnx.convert(path, target)
    except ExportError as error:
        if demanded:
            raise
        target.unlink(missing_ok=True)
        reporter.warn(f"{target.name} could not be written (but {path.name} is there): {error}")
        return None
    return target


def _layers(float_file: Path | None, path: Path, x: NDArray[Any]) -> dict[str, Any]:
    """The rows of "layers"; if there are none, "layers_missing" gives the reason."""
    if float_file is None:
        return {
            "layers": [],
            "layers_missing": "training changed the weights: there is no float file with the same ones",
        }
    try:
        return {"layers": [row.row() for row in layers.errors_by_layer(float_file, path, x[:_LAYER_SAMPLES])]}
    except DataError as error:  # a file made from the twin has other tensor names
        return {"layers": [], "layers_missing": str(error)}


def _int8_onnx(
    path: Path,
    float_file: Path | None,
    calibration: Calibration | None,
    section: QuantizationSection,
    x: NDArray[Any],
    reporter: Reporter,
) -> dict[str, Any]:
    """Try ONNX Runtime's quantizer, then the .tflite's own scales; if both fail, the .tflite still ships."""
    target = path.with_suffix(".onnx")

    def by_onnxruntime() -> None:
        assert float_file is not None
        assert calibration is not None
        with tempfile.TemporaryDirectory() as temporary:
            exact = Path(temporary) / "float.onnx"
            onnx.convert(float_file, exact)
            onnx.quantize(exact, target, calibration.samples, per_channel=section.per_channel)

    ways: dict[str, Callable[[], None]] = {}
    if float_file is not None and calibration is not None:
        ways["onnxruntime.quantization"] = by_onnxruntime
    ways["scales of the .tflite"] = lambda: onnx.convert(path, target)
    failures: list[str] = []
    for way, make in ways.items():
        try:
            make()
            return {
                "written": True,
                "way": way,
                "failures": failures,
                "parity": parity.onnx_int8_parity(target, path, float_file, x, output=section.output),
            }
        except (ExportError, GateNotMet) as error:
            failures.append(f"{way}: {error}")
            target.unlink(missing_ok=True)
    reporter.warn(f"{target.name} could not be written (but {path.name} is there): " + " ".join(failures))
    return {"written": False, "failures": failures}


def _shrink(path: Path, x: NDArray[Any], reporter: Reporter) -> dict[str, Any]:
    whole = path.with_name(f"{path.name}.whole")
    path.rename(whole)
    try:
        small = shrink.shrunk(whole.read_bytes())
        path.write_bytes(small.content)
        exact = parity.bit_parity(whole, path, x)
        if not exact:
            reporter.warn(f"{path.name} was not shrunk: an output of the smaller file differs.")
            path.write_bytes(whole.read_bytes())
    finally:
        whole.unlink()
    after = path.stat().st_size
    return {"bytes_before": small.bytes_before, "bytes_after": after, "samples": len(x), "bit_exact": exact}
