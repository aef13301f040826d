"""Do the files compute what the model does? Measured on real samples, on the files that ship.

Logits are read back from probabilities: log p less its mean over the classes is the centered logit, exactly. Entries that
underflow (below 1e-30) in either are left out of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bench import litert, onnxrt
from edgekit.errors import GateNotMet

LOGIT_TOLERANCE = 1e-4
_UNDERFLOW = 1e-30


def centered_logits(p: NDArray[np.float32], q: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits of two (N, K) probability arrays, each less its row mean; NaN where either underflowed."""
    usable = (p > _UNDERFLOW) & (q > _UNDERFLOW)
    one, two = (np.log(np.where(usable, each.astype(np.float64), np.nan)) for each in (p, q))
    return one - np.nanmean(one, axis=1, keepdims=True), two - np.nanmean(two, axis=1, keepdims=True)


def float_parity(
    model_probabilities: NDArray[np.float32], tflite: Path, onnx: Path, x: NDArray[Any]
) -> Mapping[str, Any]:
    """Compare Keras, float .tflite and ONNX on the same images.

    Args:
        model_probabilities: (N, K) of the Keras model on `x`.

    Returns:
        samples, max_logit_difference, allowed_logit_difference (1e-4 of the largest logit), onnx_agreement,
        onnx_max_difference.

    Raises:
        GateNotMet: a difference is larger than allowed, or an argmax of .tflite and ONNX differs.
    """
    lite, other = litert.probabilities(tflite, x), onnxrt.probabilities(onnx, x)
    expected, found = centered_logits(model_probabilities, lite)
    difference, allowed = (
        float(np.nanmax(np.abs(expected - found))),
        LOGIT_TOLERANCE * float(np.nanmax(np.abs(expected))),
    )
    agreement = float((lite.argmax(axis=1) == other.argmax(axis=1)).mean())
    if not difference <= allowed:
        raise GateNotMet(
            f"{tflite.name} differs from the Keras model by {difference:.3g} in a logit (allowed {allowed:.3g})."
        )
    if agreement < 1:
        raise GateNotMet(
            f"{onnx.name} and {tflite.name} disagree on {1 - agreement:.2%} of {len(x)} images (allowed: none)."
        )
    return {
        "samples": len(x),
        "max_logit_difference": difference,
        "allowed_logit_difference": allowed,
        "onnx_agreement": agreement,
        "onnx_max_difference": float(np.abs(lite - other).max()),
    }


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
