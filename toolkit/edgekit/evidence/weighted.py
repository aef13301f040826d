"""Metrics on many bootstrap resamples at once: functions of how often each sample was drawn.

A resample of N samples is a row of N counts. Whatever does not change from one resample to the next (the order of confidences,
each sample's loss) is computed once, so that a draw costs a few passes over the counts and no sorting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.evidence.calibration_error import BINS, bin_edges
from edgekit.evidence.metrics import brier_of_samples, checked, floor_of, nll_of_samples

Counts = NDArray[np.float64]
Statistic = Callable[[Counts], NDArray[np.float64]]
"""(B, N) counts, row sums > 0 -> (B,) values. On a row of ones it is the plain metric."""


def mean_of(values: NDArray[Any]) -> Statistic:
    """The mean of (N,) values per sample: accuracy from right (bool), NLL from losses."""
    column = values.astype(np.float64)

    def statistic(counts: Counts) -> NDArray[np.float64]:
        result: NDArray[np.float64] = (counts @ column) / counts.sum(axis=1)
        return result

    return statistic


def balanced_accuracy_of(right: NDArray[np.bool_], labels: NDArray[np.int64]) -> Statistic:
    """Balanced accuracy of (N,) right answers and labels: the mean over the classes that were drawn."""
    order = np.argsort(labels, kind="stable")
    ranked = labels[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    column = right[order].astype(np.float64)

    def statistic(counts: Counts) -> NDArray[np.float64]:
        drawn = np.take(counts, order, axis=1)
        size = np.add.reduceat(drawn, starts, axis=1)
        recall = np.add.reduceat(drawn * column, starts, axis=1) / np.maximum(size, 1)
        result: NDArray[np.float64] = recall.sum(axis=1) / (size > 0).sum(axis=1)
        return result

    return statistic


def _segments(
    confidence: NDArray[np.float64], error: NDArray[np.bool_]
) -> Callable[[Counts], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """A function from counts to (B, M) samples and errors per segment, highest confidence first.

    A segment is a group of equal confidence that contains an error, or a run of groups without errors: nothing that the areas
    need is lost, and there are about twice as many segments as errors instead of as many as samples.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked, wrong = confidence[order], error[order]
    group = np.cumsum(np.append(0, ranked[1:] != ranked[:-1]))
    flawed = np.bincount(group, wrong)[group] > 0
    change = np.append(True, (flawed[1:] != flawed[:-1]) | (flawed[1:] & (group[1:] != group[:-1])))
    starts = np.flatnonzero(change)
    segment = np.cumsum(change) - 1
    wrong_at = np.flatnonzero(wrong)
    of_wrong = order[wrong_at]
    places, wrong_starts = np.unique(segment[wrong_at], return_index=True)

    def sums(counts: Counts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        size = np.add.reduceat(np.take(counts, order, axis=1), starts, axis=1)
        errors = np.zeros_like(size)
        if len(of_wrong):
            errors[:, places] = np.add.reduceat(np.take(counts, of_wrong, axis=1), wrong_starts, axis=1)
        return size, errors

    return sums


def augrc_of(confidence: NDArray[np.float64], error: NDArray[np.bool_]) -> Statistic:
    """AUGRC of (N,) confidences and errors; see `edgekit.evidence.risk_coverage`."""
    sums = _segments(confidence, error)

    def statistic(counts: Counts) -> NDArray[np.float64]:
        size, errors = sums(counts)
        before = np.cumsum(errors, axis=1) - errors
        result: NDArray[np.float64] = (size * (before + errors / 2)).sum(axis=1) / size.sum(axis=1) ** 2
        return result

    return statistic


def aurc_of(confidence: NDArray[np.float64], error: NDArray[np.bool_]) -> Statistic:
    """AURC ("geifman_ties") of (N,) confidences and errors.

    Within a segment E_k = E + s (k - k0), so the sum of E_k/k over it is (E - s k0) (H_k1 - H_k0) + s (k1 - k0), H harmonic.
    """
    sums = _segments(confidence, error)

    def statistic(counts: Counts) -> NDArray[np.float64]:
        size, errors = sums(counts)
        after = np.cumsum(size, axis=1)
        n = after[:, -1]
        harmonic = np.append(0, np.cumsum(1 / np.arange(1, n.max() + 1)))
        k1 = after.astype(np.int64)
        k0 = (after - size).astype(np.int64)
        before = np.cumsum(errors, axis=1) - errors
        slope = errors / np.maximum(size, 1)
        area = (before - slope * k0) * (harmonic[k1] - harmonic[k0]) + slope * size
        result: NDArray[np.float64] = area.sum(axis=1) / n
        return result

    return statistic


def ece_squared_of(confidence: NDArray[np.float64], error: NDArray[np.bool_], bins: int = BINS) -> Statistic:
    """Debiased squared ECE of (N,) confidences and errors; the bins are recomputed for each resample."""
    order = np.argsort(confidence, kind="stable")
    ranked, right = confidence[order], (~error[order]).astype(np.float64)
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))

    def one(count: Counts) -> float:
        boundaries = np.append(0, np.cumsum(np.add.reduceat(count, starts)))
        n = int(boundaries[-1])
        edges = bin_edges(boundaries, n, bins)
        # Groups that were never drawn share their boundary with the next: the bin starts at the last of equal ones.
        at = starts[np.searchsorted(boundaries, edges, side="right") - 1]
        size = np.diff(np.append(edges, n)).astype(np.float64)
        mean = np.add.reduceat(count * ranked, at) / size
        accuracy = np.add.reduceat(count * right, at) / size
        bias = accuracy * (1 - accuracy) / np.maximum(size - 1, 1)
        return float((size / n * np.where(size > 1, (accuracy - mean) ** 2 - bias, 0)).sum())

    def statistic(counts: Counts) -> NDArray[np.float64]:
        return np.array([one(row) for row in np.take(counts, order, axis=1)])

    return statistic


@dataclass(frozen=True, slots=True)
class Metric:
    """higher_is_better: its direction. of: (N, K) probabilities and (N,) labels -> the statistic."""

    higher_is_better: bool
    of: Callable[[NDArray[np.float64], NDArray[np.int64]], Statistic]


def _ranked(
    make: Callable[[NDArray[np.float64], NDArray[np.bool_]], Statistic],
) -> Callable[[NDArray[np.float64], NDArray[np.int64]], Statistic]:
    return lambda p, labels: make(p.max(axis=1), p.argmax(axis=1) != labels)


METRICS: Mapping[str, Metric] = {
    "accuracy": Metric(True, lambda p, labels: mean_of(p.argmax(axis=1) == labels)),
    "balanced_accuracy": Metric(True, lambda p, labels: balanced_accuracy_of(p.argmax(axis=1) == labels, labels)),
    "nll": Metric(False, lambda p, labels: mean_of(nll_of_samples(p, labels, floor_of(p)))),
    "brier": Metric(False, lambda p, labels: mean_of(brier_of_samples(p, labels))),
    "augrc": Metric(False, _ranked(augrc_of)),
    "aurc": Metric(False, _ranked(aurc_of)),
    # Signed and squared: its root is not smooth at 0 and has no unbiased estimate.
    "ece_squared": Metric(False, _ranked(ece_squared_of)),
}


def statistic(metric: str, probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> Statistic:
    """The metric of that name (a key of `METRICS`) on (N, K) probabilities and (N,) labels, as a function of counts."""
    return METRICS[metric].of(checked(probabilities, labels), labels)
