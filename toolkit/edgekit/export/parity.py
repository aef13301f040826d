"""Do the files compute what the model does? Measured on real samples, on the files that ship.

Probabilities are compared; of files that end in logits, their softmax. Logits are recovered from them: log p minus its mean over
the classes is exactly the centered logit. Entries that underflow (below 1e-30) in either are left out of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import GateNotMet
from edgekit.inference import litert, onnxrt
from edgekit.types import Output

LOGIT_TOLERANCE = 1e-4
INT8_AGREEMENT = 0.995
QAT_AGREEMENT = 0.99
_UNDERFLOW = 1e-30


def centered_logits(p: NDArray[np.float32], q: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits of two (N, K) probability arrays, each minus its row mean; NaN where either underflowed."""
    usable = (p > _UNDERFLOW) & (q > _UNDERFLOW)
    one, two = (np.log(np.where(usable, each.astype(np.float64), np.nan)) for each in (p, q))
    return one - np.nanmean(one, axis=1, keepdims=True), two - np.nanmean(two, axis=1, keepdims=True)


def float_parity(
    model_probabilities: NDArray[np.float32],
    tflite: Path,
    onnx: Path | None,
    x: NDArray[Any],
    *,
    output: Output = "probabilities",
) -> Mapping[str, Any]:
    """Compare Keras, float .tflite and ONNX (if there is one) on the same images.

    Args:
        model_probabilities: (N, K) of the Keras model on `x`.
        output: the kind of output of the files.

    Returns:
        samples, max_logit_difference, allowed_logit_difference (1e-4 of the largest logit), onnx_agreement,
        onnx_max_difference (the last two with an ONNX file only).

    Raises:
        GateNotMet: a difference is larger than allowed, or an argmax of .tflite and ONNX differs.
    """
    lite = litert.probabilities(tflite, x, output=output)
    expected, actual = centered_logits(model_probabilities, lite)
    difference, allowed = (
        float(np.nanmax(np.abs(expected - actual))),
        LOGIT_TOLERANCE * float(np.nanmax(np.abs(expected))),
    )
    if not difference <= allowed:
        raise GateNotMet(
            f"{tflite.name} differs from the Keras model by {difference:.3g} in a logit (allowed {allowed:.3g})."
        )
    facts = {"samples": len(x), "max_logit_difference": difference, "allowed_logit_difference": allowed}
    if onnx is None:
        return facts
    other = onnxrt.probabilities(onnx, x, output=output)
    agreed = agreement(lite, other)
    if agreed < 1:
        raise GateNotMet(
            f"{onnx.name} and {tflite.name} disagree on {1 - agreed:.2%} of {len(x)} samples (allowed: none)."
        )
    return facts | {"onnx_agreement": agreed, "onnx_max_difference": float(np.abs(lite - other).max())}


def batch_parity(tflite: Path, x: NDArray[Any], batch: int = 64) -> Mapping[str, Any]:
    """Check that a batch of 64 gives bit for bit what single images give.

    Raises:
        GateNotMet: an output differs.
    """
    together, single = litert.run(tflite, x, batch=batch), litert.run(tflite, x, batch=1)
    equal = bool(np.array_equal(together.view(np.uint8), single.view(np.uint8)))
    if not equal:
        rows = int((together != single).any(axis=1).sum())
        raise GateNotMet(f"{tflite.name}: {rows} of {len(x)} outputs differ between batch {batch} and batch 1.")
    return {"samples": len(x), "batch": batch, "bit_exact": equal}


def agreement(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The share of rows of two (N, K) arrays that have the same argmax."""
    return float((one.argmax(axis=1) == other.argmax(axis=1)).mean())


def onnx_int8_parity(
    onnx: Path, tflite: Path, float_file: Path | None, x: NDArray[Any], *, output: Output = "probabilities"
) -> Mapping[str, Any]:
    """Compare an int8 .onnx with the int8 .tflite, and with the float .tflite if there is one, on the same images.

    Only the first comparison is required to pass: the change from float is due to quantization, and judged by the accuracy drop.

    Raises:
        GateNotMet: less than 99.5 % of the argmax agree with the int8 .tflite.
    """
    actual, lite = onnxrt.probabilities(onnx, x, output=output), litert.probabilities(tflite, x, output=output)
    agreed = agreement(actual, lite)
    if agreed < INT8_AGREEMENT:
        raise GateNotMet(
            f"{onnx.name} and {tflite.name} agree on {agreed:.2%} of {len(x)} samples (required {INT8_AGREEMENT:.1%})."
        )
    return {
        "samples": len(x),
        "agreement_with_tflite": agreed,
        "max_difference_from_tflite": float(np.abs(actual - lite).max()),
        "agreement_with_float": agreement(actual, litert.outputs(float_file, x)) if float_file else None,
    }


def fake_quantization_parity(
    model_probabilities: NDArray[np.float32], tflite: Path, x: NDArray[Any]
) -> Mapping[str, Any]:
    """Compare an int8 .tflite with the quantization-aware model it was converted from.

    Raises:
        GateNotMet: less than 99 % of the argmax agree: the converter did not use the trained ranges.
    """
    agreed = agreement(model_probabilities, litert.outputs(tflite, x))
    if agreed < QAT_AGREEMENT:
        raise GateNotMet(
            f"{tflite.name} and the quantization-aware model agree on {agreed:.2%} of {len(x)} samples"
            f" (required {QAT_AGREEMENT:.0%})."
        )
    return {"samples": len(x), "agreement": agreed}


def bit_parity(one: Path, other: Path, x: NDArray[Any]) -> bool:
    """Whether two .tflite files give the same outputs bit for bit."""
    first, second = litert.run(one, x), litert.run(other, x)
    return first.dtype == second.dtype and bool(np.array_equal(first.view(np.uint8), second.view(np.uint8)))
