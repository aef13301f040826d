"""Is a confidence of 0.8 right four times in five? Top-label calibration errors (METHODS.md section 5.2); 0 is best.

The plug-in error of a perfectly calibrated file is above 0 by chance, the more the fewer samples: the debiased forms take that
bias off, and are the ones to quote. All bins here hold about equally many samples and never cut equal confidences apart,
except in the sweep, whose definition goes by index.
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
    """Where the bins begin in ascending order: positions in [0, n), the first is 0.

    Edge j begins at round(j n / bins) and moves to the nearest change of value (the lower one at equal distance); it is kept
    only beyond the edge before it.

    Args:
        boundaries: ascending positions at which a new value begins, from 0 to n.
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
    """(order of ascending confidence, where the bins begin in it)."""
    n = len(confidence)
    order = np.argsort(confidence, kind="stable")
    ranked = confidence[order]
    changes = np.concatenate([[0], np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, [n]])
    return order, bin_edges(changes, n, bins)


def equal_mass_bins(confidence: Confidence, bins: int) -> NDArray[np.int64]:
    """(N,) bin of each sample, bins of about equal size whose edges never cut equal confidences."""
    order, edges = _ascending(confidence, bins)
    assigned = np.empty(len(confidence), np.int64)
    assigned[order] = np.searchsorted(edges, np.arange(len(confidence)), side="right") - 1
    return assigned


def equal_mass(confidence: Confidence, error: Error, bins: int = BINS) -> Bins:
    """The equal-mass bins of (N,) confidences and errors, summed up."""
    order, edges = _ascending(confidence, bins)
    size = np.diff(np.append(edges, len(order))).astype(np.float64)
    total = np.add.reduceat(confidence[order].astype(np.float64), edges)
    right = np.add.reduceat((~error[order]).astype(np.float64), edges)
    return Bins(size, total / size, right / size)


def ece(confidence: Confidence, error: Error, bins: int = BINS) -> float:
    """Plug-in L1 error, sum_b n_b/n |acc_b - conf_b|: biased upwards."""
    found = equal_mass(confidence, error, bins)
    return _l1(found.size, found.accuracy, found.confidence)


def _l1(size: NDArray[np.float64], accuracy: NDArray[np.float64], confidence: NDArray[np.float64]) -> float:
    return float((size / size.sum() * np.abs(accuracy - confidence)).sum())


def plugin_ece_squared(confidence: Confidence, error: Error, bins: int = BINS) -> float:
    """Plug-in squared error, sum_b n_b/n (acc_b - conf_b)^2: biased upwards."""
    found = equal_mass(confidence, error, bins)
    return float((found.size / len(error) * (found.accuracy - found.confidence) ** 2).sum())


def debiased_ece_squared(confidence: Confidence, error: Error, bins: int = BINS) -> float:
    """Squared top-label calibration error without its sampling bias (Kumar et al. 2019, arXiv 1909.10155); may be < 0.

    sum_b n_b/n [(acc_b - conf_b)^2 - acc_b (1 - acc_b) / (n_b - 1)]; bins of fewer than two samples count 0.
    """
    found = equal_mass(confidence, error, bins)
    bias = found.accuracy * (1 - found.accuracy) / np.maximum(found.size - 1, 1)
    gap = (found.accuracy - found.confidence) ** 2
    return float((found.size / len(error) * np.where(found.size > 1, gap - bias, 0)).sum())


def debiased_ece(
    confidence: Confidence, error: Error, bins: int = BINS, *, resamples: int = 1000, seed: int = 0
) -> float:
    """L1 error without most of its bias: 2 x plug-in - mean over Gaussian resamples of the bin accuracies; at least 0.

    The method of Kumar et al. 2019 (p-lambda/verified_calibration, normal_debiased_ce), which draws each bin's accuracy from
    N(acc_b, acc_b (1 - acc_b) / n_b).
    """
    found = equal_mass(confidence, error, bins)
    spread = np.sqrt(found.accuracy * (1 - found.accuracy) / found.size)
    drawn = np.random.default_rng(seed).normal(found.accuracy, spread, (resamples, len(spread)))
    weight = found.size / found.size.sum()
    resampled = (weight * np.abs(drawn - found.confidence)).sum(axis=1).mean()
    return float(max(0.0, 2 * _l1(found.size, found.accuracy, found.confidence) - resampled))


def ece_sweep(confidence: Confidence, error: Error, *, most_bins: int = 1000) -> tuple[float, int]:
    """(L1 error, bins) with as many bins as keep the accuracy from falling as confidence rises (Roelofs et al. 2022).

    Sample i of n in ascending order is in bin min(B - 1, floor(i B / n)); B = 2, 3, ... ends before the first bin accuracy that
    falls (arXiv 2012.08668; google-research/caltrain em_monotonic_sweep, which takes the L2 norm by default). By index, so equal
    confidences may be cut: the order within a tie is the data's. Errors that all lie below the right ones never make it fall:
    `most_bins` is where the search ends then.
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
    found = equal_mass(confidence, error, bins)
    return [
        {"n": int(size), "confidence": float(mean), "accuracy": float(accuracy)}
        for size, mean, accuracy in zip(found.size, found.confidence, found.accuracy, strict=True)
    ]
