"""Tukey's fences on the teacher's in-sample loss (the IQR study): drop L < Q1 - 1.5 IQR and L > Q3 + 1.5 IQR.

A cross-entropy is never negative, so the lower fence removes nothing unless Q1 >= 0.6 Q3, which no trained teacher shows:
on clean data this is a cut of the hardest samples, not of noise (METHODS.md sections 2.1 and 2.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.curation.noise import estimated_noise
from edgekit.errors import RecipeError
from edgekit.types import Decision, Scores, Signals

_BREAKDOWN = 0.25  # with more noise, Q3 itself lies among the noisy samples and the fence is out of reach
_CLEAN = 0.05


def cross_entropy(pred_probs: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """-log p of the given label, (N, K) probabilities and (N,) labels -> (N,) nats, finite."""
    given = pred_probs[np.arange(len(labels)), labels]
    return -np.log(np.maximum(given, np.finfo(np.float32).tiny))


def fences(loss: NDArray[Any], factor: float = 1.5) -> tuple[float, float]:
    """(Q1 - factor * IQR, Q3 + factor * IQR), with linearly interpolated quartiles (Tukey 1977)."""
    q1, q3 = np.percentile(loss.astype(np.float64), [25, 75])
    return float(q1 - factor * (q3 - q1)), float(q3 + factor * (q3 - q1))


def decide(signals: Signals, *, budget: float | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = -loss (higher = more worth keeping); drop beyond the fences.

    Raises:
        RecipeError: the signals hold no probabilities.
    """
    if signals.pred_probs is None:
        raise RecipeError("'iqr' needs the teacher's probabilities of the training set.")
    loss = cross_entropy(signals.pred_probs, signals.labels)
    low, high = fences(loss, float(params["factor"]))
    below, above = np.flatnonzero(loss < low), np.flatnonzero(loss > high)
    noise = estimated_noise(signals.pred_probs, signals.labels)
    reasons = {int(i): "low_loss" for i in below} | {int(i): "high_loss" for i in above}
    return Decision(
        scores=Scores(method="iqr", ids=signals.ids, values=-loss),
        drop={i: reasons[i] for i in sorted(reasons)},
        facts={
            "lower_fence": low,
            "upper_fence": high,
            "removed_low": len(below),
            "removed_high": len(above),
            "estimated_noise": noise,
        },
        warnings=tuple(_warnings(low, len(above) / len(loss), noise)),
    )


def _warnings(low: float, share_above: float, noise: float) -> list[str]:
    told = []
    if low < 0:
        told.append(
            f"the lower fence is negative ({low:.4f}) and a loss never is: it removes nothing (removed_low = 0)"
        )
    if noise >= _BREAKDOWN:
        told.append(
            f"about {noise:.0%} of the labels look wrong: from 25 % on, the fence lies among them and misses most"
        )
    elif noise < _CLEAN and share_above > 2 * noise:
        told.append(
            f"the labels look clean (confident learning, in-sample: {noise:.1%} wrong), yet {share_above:.1%} would go: "
            "a cut of hard samples that likely hurts; compare with --control or --curate none"
        )
    return told
