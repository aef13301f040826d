"""How far the probabilities of the files of one run can be trusted: temperature, operating threshold, ties; a row per file.

Everything that is chosen (the temperature, the threshold) is chosen on the calibration split, and everything that is claimed is
measured on test.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.evidence import metrics, temperature, threshold

Predictions = tuple[NDArray[np.floating[Any]], NDArray[np.int64]]
METRICS = ("aurc", "augrc", "ece", "ece_squared", "nll", "brier")


def rows(
    files: Mapping[str, tuple[Predictions, Predictions]],
    float_of: Mapping[str, str],
    *,
    coverage: float | None = None,
    risk: float | None = None,
) -> dict[str, dict[str, Any]]:
    """The `reliability` of report.json, as plain JSON values; what is not a finite number is None.

    Each row:
        temperature, n, split, nll_calibration_before and _after, at_bound: the fit. floor: what a smaller probability counts as.
        before, after: the METRICS on test without and with the temperature.
        figures: `metrics.Reliability` of test, its `ties` among them, without temperature.
        operating: the threshold on the largest probability as the file gives it (None if none keeps the risk), what was
            `wanted`, and what it does on test and on `calibration` (`threshold.Achieved`).
        drift: `threshold.Drift` from the float file, or None.

    Args:
        files: name -> (calibration, test), each ((N, K) probabilities, (N,) labels), the same samples for all.
        float_of: name of a quantized file -> name of the float file whose threshold it may inherit.
        coverage, risk: what the threshold is chosen for, one of the two.

    Raises:
        DataError: see `edgekit.evidence.metrics.checked`. UsageError: neither coverage nor risk, or both.
    """
    ranked = {name: (_ranked(*calibration), _ranked(*test)) for name, (calibration, test) in files.items()}
    wish = {"coverage": coverage, "risk": risk}
    found: dict[str, dict[str, Any]] = {}
    for name, (calibration, test) in files.items():
        scaled = temperature.before_and_after(calibration, test)
        chosen = threshold.choose(*ranked[name][0], coverage=coverage, risk=risk)
        drift = None
        if name in float_of:
            drift = dataclasses.asdict(
                threshold.drift(*ranked[float_of[name]], *ranked[name], coverage=coverage, risk=risk)
            )
        row = {
            "temperature": scaled.temperature.value,
            "n": scaled.temperature.n,
            "split": "cal",
            "floor": metrics.floor_of(metrics.checked(*calibration)),
            "at_bound": scaled.temperature.at_bound,
            "nll_calibration_before": scaled.temperature.nll_before,
            "nll_calibration_after": scaled.temperature.nll_after,
            "before": {metric: getattr(scaled.before, metric) for metric in METRICS},
            "after": {metric: getattr(scaled.after, metric) for metric in METRICS},
            "figures": dataclasses.asdict(metrics.reliability(*test)),
            "operating": {
                "wanted": {key: value for key, value in wish.items() if value is not None},
                **dataclasses.asdict(threshold.achieved(chosen, *ranked[name][1])),
                "calibration": dataclasses.asdict(threshold.achieved(chosen, *ranked[name][0])),
            },
            "drift": None if drift is None else drift | {"float": float_of[name]},
        }
        found[name] = _finite(row)
    return found


def _ranked(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> threshold.Ranked:
    """((N,) confidence, (N,) error)."""
    p = metrics.checked(probabilities, labels)
    return p.max(axis=1), p.argmax(axis=1) != labels


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
