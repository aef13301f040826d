"""Tukey's fences on the teacher's loss (the IQR study): drop L < Q1 - 1.5 IQR and L > Q3 + 1.5 IQR.

A cross-entropy is never negative, so the lower fence removes nothing unless Q1 >= 0.6 Q3, which does not happen with trained
teachers: on clean data this removes the hardest samples, not noise (docs/methods.md, "Loss fences"). Forms: in-sample or
out-of-fold loss, one pair of fences or one per given class, linear or log loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.curation.signals import cross_entropy, in_sample, out_of_fold
from edgekit.types import Decision, Scores, Signals


def fences(loss: NDArray[Any], factor: float = 1.5) -> tuple[float, float]:
    """(Q1 - factor * IQR, Q3 + factor * IQR), with linearly interpolated quartiles (Tukey 1977)."""
    q1, q3 = np.percentile(loss.astype(np.float64), [25, 75])
    return float(q1 - factor * (q3 - q1)), float(q3 + factor * (q3 - q1))


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = -loss, minus the class's upper fence where fences are per class; drop beyond the fences.

    Raises:
        RecipeError: the signals have no probabilities of the chosen basis.
    """
    of = out_of_fold if params.get("basis") == "out-of-fold" else in_sample
    loss = cross_entropy(of(signals, "iqr"), signals.labels)
    measured = np.log(np.maximum(loss, 1e-12)) if params.get("log_loss") else loss
    factor = float(params.get("factor", 1.5))
    values = -measured
    low, high = (np.empty(len(loss)) for _ in range(2))
    if params.get("per_class"):
        for k in np.unique(signals.labels):
            rows = signals.labels == k
            low[rows], high[rows] = fences(measured[rows], factor)
        values = (high - measured).astype(
            np.float32
        )  # comparable across classes: the distance from the class's own fence
    else:
        low[:], high[:] = fences(measured, factor)
    below, above = np.flatnonzero(measured < low), np.flatnonzero(measured > high)
    reasons = {int(i): "low_loss" for i in below} | {int(i): "high_loss" for i in above}
    one = not params.get("per_class")
    return Decision(
        scores=Scores(method="iqr", ids=signals.ids, values=values.astype(np.float32)),
        drop={i: reasons[i] for i in sorted(reasons)},
        facts={
            "lower_fence": float(low[0]) if one else None,
            "upper_fence": float(high[0]) if one else None,
            "removed_low": len(below),
            "removed_high": len(above),
        },
        warnings=tuple(_warnings(float(low.max()), params)),
    )


def _warnings(low: float, params: Mapping[str, Any]) -> list[str]:
    if low >= 0 or params.get("log_loss"):
        return []
    return [
        f"the lower fence is negative ({low:.4f}) and a loss is never negative: it removes nothing (removed_low = 0)"
    ]
