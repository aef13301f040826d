"""Quality and reliability of a classifier's probabilities (METHODS.md section 5), exact under ties.

Confidence is the largest probability; an error is argmax != label, ties in the argmax broken by the first index. Files in
int8 have only 256 levels of probability, so ties are the rule: every ranking metric here works on groups of equal confidence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COVERAGES = (0.8, 0.9, 0.95)
TINY = float(np.finfo(np.float32).tiny)
HALF_LEVEL = 1 / 512  # half a step of an int8 softmax: what a stored 0 stands for


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """All metrics of one set of predictions; `ece_squared` is signed, `ece` its root where positive, else 0."""

    n: int
    accuracy: float
    nll: float
    brier: float
    ece: float
    ece_squared: float
    aurc: float
    augrc: float
    risk_at_coverage: Mapping[str, float]
    nll_clipped: int
    argmax_ties: int


def quality(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> Quality:
    """Compute every metric.

    Args:
        probabilities: (N, K) in [0, 1]; rows sum to 1 up to quantization.
        labels: (N,) in [0, K).
    """
    p = probabilities.astype(np.float64)
    confidence, error = p.max(axis=1), p.argmax(axis=1) != labels
    squared = debiased_ece_squared(confidence, error)
    # The 256 levels of an int8 softmax, whatever type the file gives them in.
    quantized = bool((p * 256 == np.round(p * 256)).all())
    loss, clipped = nll(p, labels, HALF_LEVEL if quantized else TINY)
    return Quality(
        n=len(labels),
        accuracy=float((~error).mean()),
        nll=loss,
        brier=brier(p, labels),
        ece=float(np.sqrt(max(0.0, squared))),
        ece_squared=squared,
        aurc=aurc(confidence, error),
        augrc=augrc(confidence, error),
        risk_at_coverage={f"{c:.2f}": risk_at_coverage(confidence, error, c) for c in COVERAGES},
        nll_clipped=clipped,
        argmax_ties=int(((p == confidence[:, None]).sum(axis=1) > 1).sum()),
    )


def nll(probabilities: NDArray[np.float64], labels: NDArray[np.int64], floor: float) -> tuple[float, int]:
    """(mean -log p of the label in nats, samples whose p lay below `floor`); rows are clipped at `floor`, then renormalized."""
    clipped = np.maximum(probabilities, floor)
    clipped /= clipped.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    return float(-np.log(clipped[rows, labels]).mean()), int((probabilities[rows, labels] < floor).sum())


def brier(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean over samples of the squared error summed over classes, in [0, 2]."""
    target = np.zeros_like(probabilities)
    target[np.arange(len(labels)), labels] = 1
    return float(((probabilities - target) ** 2).sum(axis=1).mean())


def _accepted(
    confidence: NDArray[np.float64], error: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Per distinct threshold, highest first: (samples accepted k_g, errors among them E_g)."""
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    return last + 1, np.cumsum(error[order], dtype=np.float64)[last]


def augrc(confidence: NDArray[np.float64], error: NDArray[np.bool_]) -> float:
    """Area under the generalized risk-coverage curve, E/n over k/n (Traub et al. 2024): the rate of silent failures."""
    n = len(error)
    k, e = _accepted(confidence, error)
    risk, coverage = np.append(0, e / n), np.append(0, k / n)
    return float(((risk[1:] + risk[:-1]) / 2 * np.diff(coverage)).sum())


def aurc(confidence: NDArray[np.float64], error: NDArray[np.bool_]) -> float:
    """Mean selective risk E_k/k over k = 1..n (Geifman), E_k interpolated in ties = mean over random tie orders."""
    n = len(error)
    k, e = _accepted(confidence, error)
    counts = np.arange(1, n + 1)
    return float((np.interp(counts, np.append(0, k), np.append(0, e)) / counts).mean())


def risk_at_coverage(confidence: NDArray[np.float64], error: NDArray[np.bool_], coverage: float) -> float:
    """Error rate among the ceil(coverage * n) most confident samples; a tie at the boundary counts in part."""
    n = len(error)
    k, e = _accepted(confidence, error)
    accepted = math.ceil(coverage * n - 1e-9)
    return float(np.interp(accepted, np.append(0, k), np.append(0, e)) / accepted)


def equal_mass_bins(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """(N,) bin of each sample, bins of about equal size whose edges never cut equal confidences.

    Edge j begins at round(j n / bins) in ascending order and moves to the nearest change of value (the lower one at
    equal distance); it is kept only beyond the edge before it.
    """
    n = len(confidence)
    order = np.argsort(confidence, kind="stable")
    ranked = confidence[order]
    changes = np.concatenate([[0], np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, [n]])
    edges = [0]
    for j in range(1, bins):
        wanted = round(j * n / bins)
        edge = int(changes[np.abs(changes - wanted).argmin()])
        if edges[-1] < edge < n:
            edges.append(edge)
    assigned = np.empty(n, np.int64)
    assigned[order] = np.searchsorted(np.array(edges), np.arange(n), side="right") - 1
    return assigned


def debiased_ece_squared(confidence: NDArray[np.float64], error: NDArray[np.bool_], bins: int = 15) -> float:
    """Squared top-label calibration error without its sampling bias (Kumar et al. 2019, arXiv 1909.10155); may be < 0.

    sum_b n_b/n [(acc_b - conf_b)^2 - acc_b (1 - acc_b) / (n_b - 1)]; bins of fewer than two samples count 0.
    """
    assigned = equal_mass_bins(confidence, bins)
    size = np.bincount(assigned).astype(np.float64)
    accuracy = np.bincount(assigned, ~error) / size
    mean = np.bincount(assigned, confidence) / size
    bias = accuracy * (1 - accuracy) / np.maximum(size - 1, 1)
    return float((size / len(error) * np.where(size > 1, (accuracy - mean) ** 2 - bias, 0)).sum())


def reliability_bins(
    confidence: NDArray[np.float64], error: NDArray[np.bool_], bins: int = 15
) -> list[dict[str, float]]:
    """The reliability diagram: per equal-mass bin its size, mean confidence and accuracy, in ascending confidence."""
    assigned = equal_mass_bins(confidence, bins)
    return [
        {
            "n": int((assigned == b).sum()),
            "confidence": float(confidence[assigned == b].mean()),
            "accuracy": float(1 - error[assigned == b].mean()),
        }
        for b in range(int(assigned.max()) + 1)
    ]


def confusion(predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """(K, K) counts: row = true class, column = predicted class."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix
