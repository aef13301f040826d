"""Does a device compute what this machine computes? The same inputs on both, sample by sample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.evidence.significance import mcnemar
from edgekit.inference.cuts import cuts


def compare(
    here: NDArray[Any], there: NDArray[Any], labels: NDArray[np.int64] | None, *, allowed: int | None
) -> dict[str, Any]:
    """Compare the device's outputs with this machine's.

    Args:
        here, there: (N, K) raw outputs of this machine and of the device, in the output tensor's type.
        labels: (N,), or None if there are none: then McNemar's test is left out.
        allowed: steps by which integer outputs may differ (see `allowed_difference`); None = there is no limit.

    Returns:
        n; agreement: share of samples with the same most probable class; identical: share with all outputs equal;
        max_difference, in `unit`: "LSB" for integers, "absolute" for floats; only_host_right, only_device_right,
        mcnemar_mid_p; allowed; holds.
    """
    integer = bool(np.issubdtype(here.dtype, np.integer))
    difference = np.abs(here.astype(np.float64) - there.astype(np.float64))
    a, b = here.argmax(axis=1), there.argmax(axis=1)
    result: dict[str, Any] = {
        "n": len(here),
        "agreement": float((a == b).mean()),
        "identical": float((difference == 0).all(axis=1).mean()),
        "max_difference": float(difference.max()),
        "unit": "LSB" if integer else "absolute",
        "only_host_right": None,
        "only_device_right": None,
        "mcnemar_mid_p": None,
        "allowed": allowed if integer else None,
    }
    result["holds"] = bool(np.isfinite(difference).all()) and (
        result["allowed"] is None or result["max_difference"] <= result["allowed"]
    )
    if labels is not None:
        test = mcnemar(a == labels, b == labels)
        result |= {"only_host_right": test.only_a, "only_device_right": test.only_b, "mcnemar_mid_p": test.mid_p}
    return result


def describe(parity: Mapping[str, Any]) -> str:
    """One line: "2,000 samples bit-identical", or what differs and by how much."""
    n = f"{parity['n']:,} samples"
    if parity["identical"] == 1:
        return f"{n} bit-identical to this machine"
    amount = f"{parity['max_difference']:.0f} LSB" if parity["unit"] == "LSB" else f"{parity['max_difference']:.2g}"
    line = (
        f"{n}: same class as on this machine for {100 * parity['agreement']:.2f} %, outputs differ by at most {amount}"
    )
    if parity["mcnemar_mid_p"] is not None:
        line += f", McNemar mid-p {parity['mcnemar_mid_p']:.3g}"
    return line + ("" if parity["holds"] else f" (allowed: {parity['allowed']} LSB)")


def allowed_difference(
    path: Path, *, runtimes: tuple[str, str], kernels: tuple[str, str], same_processor: bool
) -> int | None:
    """By how many steps the int8 outputs of a .tflite may differ between two machines; None = unknown.

    The same runtime version with XNNPACK on both computes the same integers everywhere, except for one operator: LiteRT's
    int8 SOFTMAX computes its exponentials differently on ARM and x86, which can move an output by one step. Plain kernels
    round differently on each kind of processor.

    Args:
        runtimes: names and versions, kernels: what computed the outputs, here and there. same_processor: whether `uname -m` is
            the same.
    """
    if runtimes[0] != runtimes[1] or kernels[0] != kernels[1] or kernels[0] not in ("xnnpack", "builtin"):
        return None
    if same_processor:
        return 0
    if kernels[0] == "builtin":
        return None
    cut_file = cuts(path)
    names = [operator[0] for operator in cut_file.operators] if cut_file else []
    while names and names[-1] == "QUANTIZE":  # to the uint8 of --io uint8
        names.pop()
    return 1 if names[-1:] == ["SOFTMAX"] else 0
