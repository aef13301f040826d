"""How far each arm's probabilities can be trusted: risk over coverage, confidence over accuracy, temperature and ties.

Described, not judged: the verdicts are on the metrics. Temperatures are those that each run fitted for each of its files on its
own calibration split (`edgekit.evidence.temperature`); everything here is measured on test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.evidence import temperature
from edgekit.evidence.metrics import reliability_bins
from edgekit.evidence.risk_coverage import RiskCoverage
from edgekit.study.plan import Arm
from edgekit.study.results import Finished, Tested

COVERAGES = tuple(i / 100 for i in range(1, 101))
_DIGITS = 6  # of the curves: finer than one sample in a million


def of_files(
    arms: Sequence[Arm], tested: Mapping[str, Mapping[str, Mapping[int, Tested | None]]], finished: Sequence[Finished]
) -> dict[str, dict[str, Any]]:
    """The `reliability` of study.json: label of the judged file -> `coverages` and `arms` (name -> row).

    Each row:
        seeds: how many count; a run that failed, or whose probabilities are not all finite, does not.
        risk: per coverage, errors among the accepted predictions, `mean` and `sd` over RNG seeds (sd: None with one seed).
        bins: `before` and `after` temperature scaling (None where a run has no temperature), equal-mass bins over the test
            samples of all RNG seeds together: `n`, mean `confidence` and `accuracy` of each.
        temperature: `mean`, `sd` and `at_bound` (runs without a fit), or None.
        ece, nll: `before` and `after`, each `mean` and `sd` over runs, or None.
        ties: means over runs: distinct `confidences`; shares of the samples at the largest one (`at_top`) and with a tie for
            the largest probability (`argmax`); or None.

    Args:
        tested: label -> arm -> RNG seed -> predictions on test.
    """
    by_file: dict[str, dict[str, Any]] = {}
    for label, by_arm in tested.items():
        rows = {}
        for arm in arms:
            runs = [one for one in by_arm.get(arm.name, {}).values() if one and np.isfinite(one.predictions[2]).all()]
            if runs:
                fits = [done.reliability(label) for done in finished if done.run.arm == arm]
                rows[arm.name] = _curves(runs) | _fitted([row for row in fits if row is not None])
        by_file[label] = {"coverages": list(COVERAGES), "arms": rows}
    return by_file


def _curves(runs: Sequence[Tested]) -> dict[str, Any]:
    """Risk per coverage, and the bins of the reliability diagrams."""
    ranked = [_ranked(one.predictions[2].astype(np.float64), one.predictions[1]) for one in runs]
    scaled = [_ranked(p, one.predictions[1]) for one in runs if (p := _scaled(one)) is not None]
    curves = [RiskCoverage(*pair) for pair in ranked]
    risks = np.array([[curve.risk_at_coverage(coverage) for coverage in COVERAGES] for curve in curves])
    return {
        "seeds": len(runs),
        "risk": {
            "mean": risks.mean(axis=0).round(_DIGITS).tolist(),
            "sd": risks.std(axis=0, ddof=1).round(_DIGITS).tolist() if len(runs) > 1 else None,
        },
        "bins": {"before": _bins(ranked), "after": _bins(scaled) if len(scaled) == len(runs) else None},
    }


def _ranked(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """((N,) confidence, (N,) error)."""
    return probabilities.max(axis=1), probabilities.argmax(axis=1) != labels


def _scaled(one: Tested) -> NDArray[np.float64] | None:
    """(N, K) probabilities after the temperature of each sample's run."""
    if one.temperatures is None:
        return None
    logits = temperature.logits_of(one.predictions[2])
    scaled = np.empty_like(logits)
    for value in np.unique(one.temperatures):
        rows = one.temperatures == value
        scaled[rows] = temperature.apply(logits[rows], float(value))
    return scaled


def _bins(ranked: Sequence[tuple[NDArray[Any], NDArray[np.bool_]]]) -> list[dict[str, float]]:
    confidence, error = (np.concatenate(columns) for columns in zip(*ranked, strict=True))
    return [{key: round(value, _DIGITS) for key, value in row.items()} for row in reliability_bins(confidence, error)]


def _fitted(fits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over the runs' report rows of a file (`edgekit.evidence.reliability.rows`)."""
    if not fits:
        return {"temperature": None, "ece": None, "nll": None, "ties": None}
    ties = [row["figures"]["ties"] for row in fits]
    samples = [row["operating"]["n"] for row in fits]
    at_bound = {"at_bound": sum(row["at_bound"] or not row.get("judged", True) for row in fits)}
    return {
        "temperature": _spread([row["temperature"] for row in fits]) | at_bound,
        **{m: {when: _spread([row[when][m] for row in fits]) for when in ("before", "after")} for m in ("ece", "nll")},
        "ties": {
            "confidences": float(np.mean([row["confidences"] for row in ties])),
            **{
                key: float(np.mean([row[key] / n for row, n in zip(ties, samples, strict=True)]))
                for key in ("at_top", "argmax")
            },
        },
    }


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    return {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None}
