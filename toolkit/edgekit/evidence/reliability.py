"""How far the probabilities of the files of one run can be trusted: temperature, operating threshold, ties; a row per file.

Everything that is chosen (the temperature, the threshold) is chosen on the calibration split, and everything that is reported is
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
# Up to this share of tied test confidences, a report does not mention ties.
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
    """The `reliability` of report.json, as plain JSON values; values that are not finite are None.

    Each row:
        temperature, n, split, nll_calibration_before and _after, at_bound: the fit. If it ends at the bound of the search range,
            no temperature fits: it is then 1, which changes nothing. judged: whether the calibration samples are
            `temperature.LEAST` or more; else the temperature is 1 too, and the operating threshold is what few samples gave.
            floor: smaller probabilities count as this (None for logits, which T divides directly).
        before, after: the METRICS on test without and with the temperature.
        figures: `metrics.Reliability` of test, its `ties` among them, without temperature.
        operating: the threshold on the largest probability as the file outputs it (None if none keeps the risk), the `wanted`
            coverage or risk, and its results on test and on `calibration` (`threshold.Achieved`).
        drift: `threshold.Drift` from the float file, or None.
        remark: a sentence, if the levels of an int8 softmax tie more than a small share of test's confidences; else None.

    Args:
        files: name -> (calibration, test), each ((N, K) probabilities, (N,) labels), the same samples for all.
        logits: those of the files that end in them, by name; their probabilities are the softmax.
        float_of: name of a quantized file -> name of the float file whose threshold it may inherit.
        coverage, risk: what the threshold is chosen for, one of the two. tested: what the remark calls the test samples.

    Raises:
        DataError: see `edgekit.evidence.metrics.checked`. UsageError: neither coverage nor risk, or both.
    """
    ranked = {name: (_ranked(*calibration), _ranked(*test)) for name, (calibration, test) in files.items()}
    table: dict[str, dict[str, Any]] = {}
    for name, (calibration, test) in files.items():
        raw, drift = (logits or {}).get(name), None
        ties = metrics.ties(test[0]) if raw is None else metrics.ties(test[0], raw.test, raw.limits)
        if name in float_of:
            change = threshold.drift(*ranked[float_of[name]], *ranked[name], coverage=coverage, risk=risk)
            drift = dataclasses.asdict(change) | {"float": float_of[name]}
        row = {
            **_temperature(calibration, test, raw),
            "figures": dataclasses.asdict(metrics.reliability(*test)) | {"ties": dataclasses.asdict(ties)},
            "operating": _operating(*ranked[name], coverage=coverage, risk=risk),
            "drift": drift,
            "remark": _remark(name, ties, *test, tested) if name in float_of and raw is None else None,
        }
        table[name] = _finite(row)
    return table


def _temperature(calibration: Predictions, test: Predictions, raw: Logits | None) -> dict[str, Any]:
    """The keys of a row up to "after": the fit on the calibration samples, and the METRICS on test without and with it."""
    of_calibration, of_test = calibration, test
    if raw is not None:
        of_calibration, of_test = (raw.calibration, calibration[1]), (raw.test, test[1])
    scaled = temperature.before_and_after(of_calibration, of_test, logits=raw is not None)
    fit = scaled.temperature
    judged = fit.n >= temperature.LEAST
    fitted = judged and not fit.at_bound
    return {
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
    }


def _operating(
    calibration: threshold.Ranked, test: threshold.Ranked, *, coverage: float | None, risk: float | None
) -> dict[str, Any]:
    """The "operating" of a row: the threshold chosen on `calibration`, and what it does on both."""
    wanted = {"coverage": coverage, "risk": risk}
    chosen = threshold.choose(*calibration, coverage=coverage, risk=risk)
    return {
        "wanted": {key: value for key, value in wanted.items() if value is not None},
        **dataclasses.asdict(threshold.achieved(chosen, *test)),
        "calibration": dataclasses.asdict(threshold.achieved(chosen, *calibration)),
    }


def _remark(
    name: str, ties: metrics.Ties, probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64], tested: str
) -> str | None:
    """A remark if the levels of a quantized file's softmax tie many confidences; it names files with more levels."""
    n = len(labels)
    if ties.tied <= SMALL_SHARE * n or not metrics.is_int8(metrics.checked(probabilities, labels)):
        return None
    return (
        f"{name} gives {ties.tied:,} of {n:,} {tested} samples a confidence shared with another one ({ties.clipped_high:,} are "
        "at 255/256 or above), and samples of equal confidence have no order; files built with --logits-output have more "
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
