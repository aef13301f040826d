"""How much the outputs of another machine may differ from the golden ones, and why (see bench.parity)."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bundle.running import Kernels
from edgekit.inference import cuts, litert
from edgekit.types import Artifact

# Share of the largest output. Other processors compute different last bits of floats.
_FLOATS = 1e-4
# A last bit can change the rounding where floats become integers inside the file: tolerance for a few of 256 steps.
_INTEGERS_INSIDE = 8 / 256


def comparison(artifact: Artifact, raw: NDArray[Any], kernels: Kernels) -> Mapping[str, Any]:
    """The entry for golden.json.

    Args:
        raw: (N, K) the golden outputs, as computed by `kernels` on this machine.

    Returns:
        machine, runtime, kernels; unit: "LSB" (steps of integers) or "absolute"; allowed: the maximum on this kind of processor;
        allowed_elsewhere: on others.
    """
    integer = bool(np.issubdtype(raw.dtype, np.integer))
    runtime = "onnxruntime" if artifact.format == "onnx" else "ai-edge-litert"
    rule: dict[str, Any] = {
        "machine": platform.machine(),
        "runtime": f"{runtime} {version(runtime)}",
        "kernels": litert.kernels(artifact.path) if kernels == "xnnpack" else kernels,
        "unit": "LSB" if integer else "absolute",
    }
    if integer:
        return rule | {"allowed": 0, "allowed_elsewhere": 1 if _operators(artifact)[-1] == "SOFTMAX" else 0}
    inside = {"QUANTIZE", "QuantizeLinear"} & set(_operators(artifact))
    largest = max(1.0, float(np.abs(raw.astype(np.float64)).max()))
    tolerance = largest * (_INTEGERS_INSIDE if inside else _FLOATS)
    return rule | {"allowed": tolerance, "allowed_elsewhere": tolerance}


def _operators(artifact: Artifact) -> list[str]:
    """The types of a file's operators in order; [""] if it has several graphs."""
    if artifact.format == "onnx":
        import onnx

        return [str(node.op_type) for node in onnx.load(str(artifact.path)).graph.node]
    cut_file = cuts.cuts(artifact.path)
    return [""] if cut_file is None else [name for name, _ in cut_file.operators]
