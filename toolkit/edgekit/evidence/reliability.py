"""How far the probabilities of the files of one run can be trusted: temperature, operating threshold, ties; a row per file.

Everything that is chosen (the temperature, the threshold) is chosen on the calibration split, and everything that is claimed is
measured on test.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.evidence import metrics, temperature, threshold

Predictions = tuple[NDArray[np.floating[Any]], NDArray[np.int64]]
METRICS = ("aurc", "augrc", "ece", "ece_squared", "nll", "brier")
# Up to this share of test confidences that tie, a report says nothing of it.
SMALL_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Logits:
    """The dequantized outputs of a file that ends in logits: calibration, test: (N, K). limits: see `metrics.ties`."""

    calibration: NDArray[np.floating[Any]]
    test: NDArray[np.floating[Any]]
    limits: tuple[float, float] | None


def rows(
    files: Mapping[str, tuple[Predictions, Predictions]],
    float_of: Mapping[str, str],
    *,
    logits: Mapping[str, Logits] | None = None,
    coverage: float | None = None,
    risk: float | None = None,
    tested: str = "test",
) -> dict[str, dict[str, Any]]:
    """The `reliability` of report.json, as plain JSON values; what is not a finite number is None.

    Each row:
        temperature, n, split, nll_calibration_before and _after, at_bound: the fit. Where it ends at the bound of what is
            searched, no temperature fits: it is 1, which leaves everything as it is. judged: whether the calibration samples are
            `temperature.LEAST` or more; else the temperature is 1 too, and the operating threshold is what few samples gave.
            floor: what a smaller probability counts as (None for logits, which T divides as they are).
        before, after: the METRICS on test without and with the temperature.
        figures: `metrics.Reliability` of test, its `ties` among them, without temperature.
        operating: the threshold on the largest probability as the file gives it (None if none keeps the risk), what was
            `wanted`, and what it does on test and on `calibration` (`threshold.Achieved`).
        drift: `threshold.Drift` from the float file, or None.
        remark: a sentence, where the levels of an int8 softmax tie more than a small share of test's confidences; else None.

    Args:
        files: name -> (calibration, test), each ((N, K) probabilities, (N,) labels), the same samples for all.
        logits: of the files that end in them, by name; their probabilities are the softmax.
        float_of: name of a quantized file -> name of the float file whose threshold it may inherit.
        coverage, risk: what the threshold is chosen for, one of the two. tested: what the remark calls the test samples.

    Raises:
        DataError: see `edgekit.evidence.metrics.checked`. UsageError: neither coverage nor risk, or both.
    """
    ranked = {name: (_ranked(*calibration), _ranked(*test)) for name, (calibration, test) in files.items()}
    wish = {"coverage": coverage, "risk": risk}
    found: dict[str, dict[str, Any]] = {}
    for name, (calibration, test) in files.items():
        raw = (logits or {}).get(name)
        given, told = (calibration, test) if raw is None else ((raw.calibration, calibration[1]), (raw.test, test[1]))
        scaled = temperature.before_and_after(given, told, logits=raw is not None)
        ties = metrics.ties(test[0]) if raw is None else metrics.ties(test[0], raw.test, raw.limits)
        chosen = threshold.choose(*ranked[name][0], coverage=coverage, risk=risk)
        drift = None
        if name in float_of:
            drift = dataclasses.asdict(
                threshold.drift(*ranked[float_of[name]], *ranked[name], coverage=coverage, risk=risk)
            )
        fit = scaled.temperature
        judged = fit.n >= temperature.LEAST
        fitted = judged and not fit.at_bound
        row = {
            "temperature": fit.value if fitted else 1.0,
            "n": fit.n,
            "split": "cal",
            "floor": metrics.floor_of(metrics.checked(*calibration)) if raw is None else None,
            "at_bound": fit.at_bound,
            "judged": judged,
            "nll_calibration_before": fit.nll_before,
            "nll_calibration_after": fit.nll_after if fitted else fit.nll_before,
            "before": {metric: getattr(scaled.before, metric) for metric in METRICS},
            "after": {metric: getattr(scaled.after if fitted else scaled.before, metric) for metric in METRICS},
            "figures": dataclasses.asdict(metrics.reliability(*test)) | {"ties": dataclasses.asdict(ties)},
            "operating": {
                "wanted": {key: value for key, value in wish.items() if value is not None},
                **dataclasses.asdict(threshold.achieved(chosen, *ranked[name][1])),
                "calibration": dataclasses.asdict(threshold.achieved(chosen, *ranked[name][0])),
            },
            "drift": None if drift is None else drift | {"float": float_of[name]},
            "remark": _remark(name, ties, *test, tested) if name in float_of and raw is None else None,
        }
        found[name] = _finite(row)
    return found


def _remark(
    name: str, ties: metrics.Ties, probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64], tested: str
) -> str | None:
    """Where the levels of a quantized file's softmax tie many confidences, and which files have more of them."""
    n = len(labels)
    if ties.tied <= SMALL_SHARE * n or not metrics.is_int8(metrics.checked(probabilities, labels)):
        return None
    return (
        f"{name} gives {ties.tied:,} of {n:,} {tested} samples a confidence that another one has too ({ties.clipped_high:,} are "
        "at 255/256 or above), and samples of one confidence have no order; files built with --logits-output have more "
        "confidences."
    )


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
