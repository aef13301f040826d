"""The operating threshold: accept a prediction if its confidence reaches it, else raise an alarm or ask a person.

It is chosen on the calibration split and judged on test, with intervals. "Alarm stability": does the threshold of the float file
still do on the int8 file what was promised (docs/methods.md, "Operating threshold")?
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError, UsageError
from edgekit.evidence.risk_coverage import RiskCoverage

Ranked = tuple[NDArray[np.floating[Any]], NDArray[np.bool_]]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Achieved:
    """The result of a threshold on n samples, with 95 % intervals.

    coverage: share accepted (Wilson). risk: share of errors among the accepted (Clopper-Pearson); NaN if nothing is accepted,
    with the interval (0, 1).
    """

    threshold: float
    n: int
    accepted: int
    errors: int
    coverage: float
    coverage_interval: Interval
    risk: float
    risk_interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The same requirement, for a float file and the int8 file made from it.

    float_on_float, float_on_int8: the float file's threshold on test of either; int8_on_int8: the int8 file's own. shift: int8's
    own threshold minus that of float (NaN if one accepts nothing). changed: share of test samples that the float threshold
    accepts in one file but not in the other, which is the number of alarms that appear or vanish.
    """

    float_on_float: Achieved
    float_on_int8: Achieved
    int8_on_int8: Achieved
    shift: float
    changed: float


def choose(
    confidence: NDArray[np.floating[Any]],
    error: NDArray[np.bool_],
    *,
    coverage: float | None = None,
    risk: float | None = None,
) -> float:
    """The threshold for a wanted coverage (the highest that reaches it) or a wanted risk (the lowest that keeps it).

    With few samples the risk reached this way is optimistic: it was chosen among many. Evaluate it on test, with `achieved`.

    Args:
        confidence, error: (N,) of the calibration split.
        coverage, risk: one of the two, in (0, 1] and [0, 1].

    Returns:
        A confidence, or infinity if no threshold keeps the risk: accept nothing.

    Raises:
        UsageError: neither, both, or out of range. DataError: no samples.
    """
    if (coverage is None) == (risk is None):
        raise UsageError("An operating threshold is chosen for a coverage or for a risk: set exactly one of the two.")
    if not len(error):
        raise DataError("No samples to choose an operating threshold on: it needs a calibration split.")
    curve = RiskCoverage(confidence, error)
    if coverage is not None:
        if not 0 < coverage <= 1:
            raise UsageError(f"A wanted coverage must be in (0, 1]; found {coverage}.")
        return float(curve.thresholds[np.searchsorted(curve.accepted, coverage * curve.n - 1e-9)])
    if risk is None or not 0 <= risk <= 1:
        raise UsageError(f"A wanted risk must be in [0, 1]; found {risk}.")
    group = curve.group_at_risk(risk)
    return math.inf if group is None else float(curve.thresholds[group])


def achieved(threshold: float, confidence: NDArray[np.floating[Any]], error: NDArray[np.bool_]) -> Achieved:
    """Coverage and risk of a threshold on (N,) confidences and errors of test."""
    from scipy.stats import binomtest

    accept = confidence >= threshold
    n, accepted, errors = len(error), int(accept.sum()), int((accept & error).sum())
    covered = binomtest(accepted, n).proportion_ci(method="wilson")
    risk_interval = (0.0, 1.0)
    if accepted:
        exact = binomtest(errors, accepted).proportion_ci(method="exact")
        risk_interval = (float(exact.low), float(exact.high))
    return Achieved(
        threshold=threshold,
        n=n,
        accepted=accepted,
        errors=errors,
        coverage=accepted / n,
        coverage_interval=(float(covered.low), float(covered.high)),
        risk=errors / accepted if accepted else math.nan,
        risk_interval=risk_interval,
    )


def drift(
    float_calibration: Ranked,
    float_test: Ranked,
    int8_calibration: Ranked,
    int8_test: Ranked,
    *,
    coverage: float | None = None,
    risk: float | None = None,
) -> Drift:
    """How stable alarms are from float to int8, for a wanted coverage or risk.

    Args:
        each: ((N,) confidence, (N,) error) of one file on one split; the two files on the same samples in the same order.
    """
    if len(float_test[1]) != len(int8_test[1]):
        raise DataError(
            f"Float and int8 were tested on {len(float_test[1])} and {len(int8_test[1])} samples; they must be the same."
        )
    of_float = choose(*float_calibration, coverage=coverage, risk=risk)
    of_int8 = choose(*int8_calibration, coverage=coverage, risk=risk)
    changed = ((float_test[0] >= of_float) != (int8_test[0] >= of_float)).mean()
    return Drift(
        float_on_float=achieved(of_float, *float_test),
        float_on_int8=achieved(of_float, *int8_test),
        int8_on_int8=achieved(of_int8, *int8_test),
        shift=of_int8 - of_float if math.isfinite(of_int8) and math.isfinite(of_float) else math.nan,
        changed=float(changed),
    )
