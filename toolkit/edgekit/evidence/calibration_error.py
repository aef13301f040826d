"""Is a confidence of 0.8 right four times in five? Top-label calibration errors; 0 is best.

Definitions: docs/methods.md, "Calibration error".

By chance, the plug-in error of a perfectly calibrated file is above 0, the more so with few samples: the debiased forms remove
that bias, and are the ones to quote. All bins here have about equally many samples and never separate equal confidences,
except in the sweep, which is defined by index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Confidence = NDArray[np.floating[Any]]
Error = NDArray[np.bool_]
BINS = 15


@dataclass(frozen=True, slots=True)
class Bins:
    """Per bin, in ascending confidence: (B,) samples, mean confidence and accuracy."""

    size: NDArray[np.float64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def bin_edges(boundaries: NDArray[np.int64], n: int, bins: int) -> NDArray[np.int64]:
    """Where the bins start in ascending order: positions in [0, n), the first is 0.

    Edge j starts at round(j n / bins) and moves to the nearest change of value (the lower one at equal distance); it is kept
    only if it is after the previous edge.

    Args:
        boundaries: ascending positions at which a new value starts, from 0 to n.
    """
    wanted = np.array([round(j * n / bins) for j in range(1, bins)], dtype=np.int64)
    above = np.searchsorted(boundaries, wanted)
    below = np.maximum(above - 1, 0)
    nearest = np.where(wanted - boundaries[below] <= boundaries[above] - wanted, boundaries[below], boundaries[above])
    edges = [0]
    for edge in nearest.tolist():
        if edges[-1] < edge < n:
            edges.append(edge)
    return np.array(edges, dtype=np.int64)


def _ascending(confidence: Confidence, bins: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(order of ascending confidence, where the bins start in it)."""
    n = len(confidence)
    order = np.argsort(confidence, kind="stable")
    ranked = confidence[order]
    changes = np.concatenate([[0], np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, [n]])
    return order, bin_edges(changes, n, bins)


def equal_mass_bins(confidence: Confidence, bins: int) -> NDArray[np.int64]:
    """(N,) bin of each sample, in bins of about equal size whose edges never separate equal confidences."""
    order, edges = _ascending(confidence, bins)
    assigned = np.empty(len(confidence), np.int64)
    assigned[order] = np.searchsorted(edges, np.arange(len(confidence)), side="right") - 1
    return assigned


def equal_mass(confidence: Confidence, error: Error, bins: int = BINS) -> Bins:
    """The equal-mass bins of (N,) confidences and errors, aggregated."""
    order, edges = _ascending(confidence, bins)
    size = np.diff(np.append(edges, len(order))).astype(np.float64)
    total = np.add.reduceat(confidence[order].astype(np.float64), edges)
    right = np.add.reduceat((~error[order]).astype(np.float64), edges)
    return Bins(size, total / size, right / size)


def ece(confidence: Confidence, error: Error, bins: int = BINS) -> float:
    """Plug-in L1 error, sum_b n_b/n |acc_b - conf_b|: biased upwards."""
    binned = equal_mass(confidence, error, bins)
    return _l1(binned.size, binned.accuracy, binned.confidence)


def _l1(size: NDArray[np.float64], accuracy: NDArray[np.float64], confidence: NDArray[np.float64]) -> float:
    return float((size / size.sum() * np.abs(accuracy - confidence)).sum())


def debiased_ece_squared(confidence: Confidence, error: Error, bins: int = BINS) -> float:
    """Squared top-label calibration error without its sampling bias (Kumar et al. 2019, arXiv 1909.10155); may be < 0.

    sum_b n_b/n [(acc_b - conf_b)^2 - acc_b (1 - acc_b) / (n_b - 1)]; bins of fewer than two samples count 0.
    """
    binned = equal_mass(confidence, error, bins)
    bias = binned.accuracy * (1 - binned.accuracy) / np.maximum(binned.size - 1, 1)
    gap = (binned.accuracy - binned.confidence) ** 2
    return float((binned.size / len(error) * np.where(binned.size > 1, gap - bias, 0)).sum())


def debiased_ece(
    confidence: Confidence, error: Error, bins: int = BINS, *, resamples: int = 1000, seed: int = 0
) -> float:
    """L1 error without most of its bias: 2 x plug-in - mean over Gaussian resamples of the bin accuracies; at least 0.

    The method of Kumar et al. 2019 (p-lambda/verified_calibration, normal_debiased_ce), which draws each bin's accuracy from
    N(acc_b, acc_b (1 - acc_b) / n_b).
    """
    binned = equal_mass(confidence, error, bins)
    spread = np.sqrt(binned.accuracy * (1 - binned.accuracy) / binned.size)
    drawn = np.random.default_rng(seed).normal(binned.accuracy, spread, (resamples, len(spread)))
    weight = binned.size / binned.size.sum()
    resampled = (weight * np.abs(drawn - binned.confidence)).sum(axis=1).mean()
    return float(max(0.0, 2 * _l1(binned.size, binned.accuracy, binned.confidence) - resampled))


def ece_sweep(confidence: Confidence, error: Error, *, most_bins: int = 1000) -> tuple[float, int]:
    """(L1 error, bins) with the most bins for which accuracy does not fall as confidence rises (Roelofs et al. 2022).

    Sample i of n in ascending order is in bin min(B - 1, floor(i B / n)); B = 2, 3, ... ends before the first bin accuracy that
    falls (arXiv 2012.08668; google-research/caltrain em_monotonic_sweep, which uses the L2 norm by default). Bins go by index, so
    equal confidences may be separated: the order within a tie is the data's. If all errors are below the correct ones, accuracy
    never falls: `most_bins` ends the search.
    """
    n = len(confidence)
    order = np.argsort(confidence, kind="stable")
    total = np.append(0, np.cumsum(confidence[order], dtype=np.float64))
    right = np.append(0, np.cumsum(~error[order], dtype=np.float64))

    def split(bins: int) -> Bins:
        begins = -(-np.arange(bins + 1) * n // bins)
        size = np.diff(begins).astype(np.float64)
        return Bins(size, np.diff(total[begins]) / size, np.diff(right[begins]) / size)

    best = split(1)
    for bins in range(2, min(n, most_bins) + 1):
        tried = split(bins)
        if (np.diff(tried.accuracy) < 0).any():
            break
        best = tried
    return _l1(best.size, best.accuracy, best.confidence), len(best.size)


def reliability_bins(confidence: Confidence, error: Error, bins: int = BINS) -> list[dict[str, float]]:
    """The reliability diagram: per equal-mass bin its size, mean confidence and accuracy, in ascending confidence."""
    binned = equal_mass(confidence, error, bins)
    return [
        {"n": int(size), "confidence": float(mean), "accuracy": float(accuracy)}
        for size, mean, accuracy in zip(binned.size, binned.confidence, binned.accuracy, strict=True)
    ]
