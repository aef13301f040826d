"""Where an int8 file loses precision: the output of every operator compared with the float file's, on real samples.

SNR in dB is 10 log10(sum r^2 / sum (r - q)^2) with r the float and q the dequantized int8 values; the cosine is that of the two
as vectors. Both include errors of earlier operators. For independent errors, the noise that an operator adds itself is its
noise-to-signal ratio minus the largest of its inputs': `worst_layers` ranks by that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError
from edgekit.inference.litert import quantize
from edgekit.quiet import quiet_stderr
from edgekit.types import TensorSpec

LEAST_SAMPLES = 32
# Operators that reshape or convert values, and the shape arithmetic of a dynamic batch: nothing to keep in float.
_NO_LAYER = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SHAPE", "PACK", "GATHER", "STRIDED_SLICE", "REDUCE_PROD")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerError:
    """One operator's output. noise: sum (r - q)^2 / sum r^2; added: the part of it that no input had. scale 0: it is in float."""

    operator: str
    name: str
    snr_db: float
    cosine: float
    scale: float
    zero_point: int
    noise: float
    added: float

    def row(self) -> dict[str, Any]:
        """Its row in export.json; an exact operator has an snr_db of None."""
        snr = self.snr_db if np.isfinite(self.snr_db) else None
        return {
            "operator": self.operator,
            "name": self.name,
            "snr_db": snr,
            "cosine": self.cosine,
            "scale": self.scale,
            "zero_point": self.zero_point,
            "added_noise": self.added,
        }


def errors_by_layer(float_file: Path, quantized_file: Path, x: NDArray[Any]) -> list[LayerError]:
    """Compare the operator outputs of two files of one network, worst SNR first.

    Args:
        float_file: the float32 .tflite; quantized_file: an int8 or mixed one with the same tensor names (not yet shrunk).
        x: (N, H, W, C) pixels, N >= 32 real ones.

    Returns:
        One row for each operator output that both files have.

    Raises:
        DataError: fewer than 32 samples, or no tensor name in common.
    """
    if len(x) < LEAST_SAMPLES:
        raise DataError(f"The error of each layer needs {LEAST_SAMPLES} samples or more; found {len(x)}.")
    exact = {name: values for _, name, values, *_ in _outputs(float_file, x)}
    errors: dict[str, LayerError] = {}
    for operator, name, values, scale, zero_point, inputs in _outputs(quantized_file, x):
        if name not in exact or exact[name].shape != values.shape:
            continue
        real, given = (each.astype(np.float64).ravel() for each in (exact[name], values))
        signal, error = float(real @ real), float((real - given) @ (real - given))
        noise = error / signal if signal else float(error > 0)
        norms = float(np.sqrt(signal * (given @ given)))
        before = max((errors[i].noise for i in inputs if i in errors), default=0.0)
        errors[name] = LayerError(
            operator=operator,
            name=name,
            snr_db=-10 * float(np.log10(noise)) if noise else float("inf"),
            cosine=float(real @ given) / norms if norms else float(not error),
            scale=scale,
            zero_point=zero_point,
            noise=noise,
            added=max(0.0, noise - before),
        )
    if not errors:
        raise DataError(f"{float_file.name} and {quantized_file.name} have no operator output with the same name.")
    return sorted(errors.values(), key=lambda row: row.snr_db)


def worst_layers(rows: Sequence[LayerError]) -> list[str]:
    """Names of the outputs whose operators add the most noise, worst first: the first candidates to keep in float."""
    ranked = sorted(rows, key=lambda row: -row.added)
    return [row.name for row in ranked if row.added > 0 and row.scale and row.operator not in _NO_LAYER]


def _outputs(path: Path, x: NDArray[Any]) -> list[tuple[str, str, NDArray[np.float32], float, int, list[str]]]:
    """(operator, name, real values, scale, zero point, names of its inputs) of each operator, in the order they run."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with quiet_stderr():
        interpreter = Interpreter(
            model_path=str(path),
            experimental_preserve_all_tensors=True,
            # A delegate runs many operators as one and keeps no tensors between them.
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        given = interpreter.get_input_details()[0]
        interpreter.resize_tensor_input(given["index"], (len(x), *given["shape"][1:]))
        interpreter.allocate_tensors()
        scale, zero_point = given["quantization"]
        spec = TensorSpec(
            name=given["name"],
            dtype=np.dtype(given["dtype"]).name,
            shape=tuple(given["shape_signature"]),
            scale=float(scale),
            zero_point=int(zero_point),
        )
        interpreter.set_tensor(given["index"], quantize(x, spec))
        interpreter.invoke()
        details: Mapping[int, Any] = {each["index"]: each for each in interpreter.get_tensor_details()}
        rows = []
        for operator in interpreter._get_ops_details():
            for index in operator["outputs"]:
                tensor = details[index]
                scale, zero_point = tensor["quantization"]
                raw = interpreter.get_tensor(index).astype(np.float32)
                values = (raw - zero_point) * np.float32(scale) if scale else raw
                inputs = [details[i]["name"] for i in operator["inputs"] if i >= 0]
                rows.append((operator["op_name"], tensor["name"], values, float(scale), int(zero_point), inputs))
    return rows
