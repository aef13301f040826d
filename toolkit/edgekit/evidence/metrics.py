"""Quality and reliability of a classifier's probabilities (docs/methods.md, "Quality and reliability"), exact under ties.

Confidence is the largest probability; an error is argmax != label, ties in the argmax go to the first index. The areas under
risk and coverage are in `risk_coverage`, calibration errors in `calibration_error`; this module combines them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError
from edgekit.evidence import calibration_error
from edgekit.evidence.by_class import by_class
from edgekit.evidence.calibration_error import debiased_ece_squared, equal_mass_bins, reliability_bins
from edgekit.evidence.risk_coverage import RiskCoverage, augrc, aurc, risk_at_coverage

__all__ = [
    "Quality", "Reliability", "Ties", "augrc", "aurc", "brier", "checked", "confusion", "debiased_ece_squared", "equal_mass_bins",
    "is_int8", "nll", "nll_of_samples", "quality", "reliability", "reliability_bins", "risk_at_coverage", "ties",
]  # fmt: skip

COVERAGES = (0.8, 0.9, 0.95)
RISKS = (0.01, 0.02, 0.05)
TINY = float(np.finfo(np.float32).tiny)
HALF_LEVEL = 1 / 512  # half a step of an int8 softmax: what a stored 0 represents
TOP_LEVEL = 255 / 256  # the largest probability an int8 softmax can store


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """All metrics of one set of predictions; `ece_squared` is signed, `ece` its root where positive, else 0.

    balanced_accuracy, macro_f1: see edgekit.evidence.by_class.
    """

    n: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    nll: float
    brier: float
    ece: float
    ece_squared: float
    aurc: float
    augrc: float
    risk_at_coverage: Mapping[str, float]
    nll_clipped: int
    argmax_ties: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ties:
    """The effect of 256 levels on (N, K) outputs, in numbers of samples.

    confidences: distinct confidences. tied: samples that share theirs with another. at_top: samples at the largest confidence.
    clipped_high: samples at 255/256 or above, the top of an int8 softmax. argmax: largest output shared by classes. zeros:
    samples with a probability of exactly 0. For logits: clipped_high and zeros count samples with an output at the upper or lower
    end of the output tensor's range; None if it is float, which has no range to clip at.
    """

    confidences: int
    tied: int
    at_top: int
    clipped_high: int | None
    argmax: int
    zeros: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Metrics that are not in `Quality`: other conventions, optima and secondary calibration errors.

    auroc_f is None if no sample is wrong, or all are.
    """

    auroc_f: float | None
    augrc_best: float
    aurc_fd_shifts: float
    e_aurc: float
    e_aurc_asymptotic: float
    coverage_at_risk: Mapping[str, float]
    ece_l1: float
    ece_l1_debiased: float
    ece_sweep: float
    ece_sweep_bins: int
    ties: Ties


def checked(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """The probabilities as float64.

    Raises:
        DataError: not (N, K) and (N,) with N > 0 and K > 1, a value that is not a finite number, or a label outside [0, K).
    """
    if (
        probabilities.ndim != 2
        or labels.shape != probabilities.shape[:1]
        or not labels.size
        or probabilities.shape[1] < 2
    ):
        raise DataError(
            f"Expected (N, K) probabilities and (N,) labels, N > 0 and K > 1; found {probabilities.shape} and {labels.shape}."
        )
    bad = int((~np.isfinite(probabilities).all(axis=1)).sum())
    if bad:
        raise DataError(
            f"{bad} of {len(labels)} samples have a probability that is not a finite number (the training may have "
            "diverged): check that run; it cannot be judged."
        )
    if labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise DataError(
            f"Labels are in [{labels.min()}, {labels.max()}], but there are {probabilities.shape[1]} classes."
        )
    return probabilities.astype(np.float64)


def is_int8(probabilities: NDArray[np.float64]) -> bool:
    """Whether all values are on the 256 levels of an int8 softmax, whatever type the file outputs them in."""
    # A float file reveals itself in the first rows; the rest is read only if those do not decide.
    for part in (probabilities[:64], probabilities):
        scaled = part * 256
        if not (scaled == np.round(scaled)).all():
            return False
    return True


def floor_of(probabilities: NDArray[np.float64]) -> float:
    """The smallest probability distinguishable from 0: half a level for int8, else the smallest normal float32."""
    return HALF_LEVEL if is_int8(probabilities) else TINY


def quality(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> Quality:
    """Compute every metric of `Quality`.

    Args:
        probabilities: (N, K) in [0, 1]; rows sum to 1 up to quantization.
        labels: (N,) in [0, K).

    Raises:
        DataError: see `checked`.
    """
    p = checked(probabilities, labels)
    answers = p.argmax(axis=1)
    confidence, error = p.max(axis=1), answers != labels
    curve, squared = RiskCoverage(confidence, error), debiased_ece_squared(confidence, error)
    classes = by_class(answers, labels, p.shape[1])
    loss, clipped = nll(p, labels, floor_of(p))
    return Quality(
        n=len(labels),
        accuracy=float((~error).mean()),
        balanced_accuracy=classes.balanced_accuracy,
        macro_f1=classes.macro_f1,
        nll=loss,
        brier=brier(p, labels),
        ece=float(np.sqrt(max(0.0, squared))),
        ece_squared=squared,
        aurc=curve.aurc(),
        augrc=curve.augrc(),
        risk_at_coverage={f"{c:.2f}": curve.risk_at_coverage(c) for c in COVERAGES},
        nll_clipped=clipped,
        argmax_ties=_argmax_ties(p, confidence),
    )


def reliability(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> Reliability:
    """Compute every metric of `Reliability`. Arguments and errors as in `quality`."""
    p = checked(probabilities, labels)
    confidence, error = p.max(axis=1), p.argmax(axis=1) != labels
    curve = RiskCoverage(confidence, error)
    swept, bins = calibration_error.ece_sweep(confidence, error)
    return Reliability(
        auroc_f=None if curve.error_rate in (0, 1) else curve.auroc_f(),
        augrc_best=curve.error_rate**2 / 2,
        aurc_fd_shifts=curve.aurc("fd_shifts"),
        e_aurc=curve.e_aurc(),
        e_aurc_asymptotic=curve.e_aurc(asymptotic=True),
        coverage_at_risk={f"{r:.2f}": curve.coverage_at_risk(r) for r in RISKS},
        ece_l1=calibration_error.ece(confidence, error),
        ece_l1_debiased=calibration_error.debiased_ece(confidence, error),
        ece_sweep=swept,
        ece_sweep_bins=bins,
        ties=ties(p),
    )


def ties(
    probabilities: NDArray[np.floating[Any]],
    logits: NDArray[np.floating[Any]] | None = None,
    limits: tuple[float, float] | None = None,
) -> Ties:
    """Count equal and clipped values of (N, K) probabilities.

    Args:
        logits: (N, K), of which `probabilities` are the softmax, if the file outputs logits.
        limits: the smallest and largest logit that its output tensor can hold; None = it is float.
    """
    confidence = probabilities.max(axis=1)
    _, counts = np.unique(confidence, return_counts=True)
    top: int | None = int((confidence >= TOP_LEVEL).sum())
    bottom: int | None = int((probabilities == 0).any(axis=1).sum())
    if logits is not None:
        top = None if limits is None else int((logits.max(axis=1) >= limits[1]).sum())
        bottom = None if limits is None else int((logits.min(axis=1) <= limits[0]).sum())
    raw = probabilities if logits is None else logits
    return Ties(
        confidences=len(counts),
        tied=int(counts[counts > 1].sum()),
        at_top=int(counts[-1]),
        clipped_high=top,
        argmax=_argmax_ties(raw, raw.max(axis=1)),
        zeros=bottom,
    )


def _argmax_ties(probabilities: NDArray[np.floating[Any]], confidence: NDArray[np.floating[Any]]) -> int:
    return int(((probabilities == confidence[:, None]).sum(axis=1) > 1).sum())


def nll_of_samples(probabilities: NDArray[np.float64], labels: NDArray[np.int64], floor: float) -> NDArray[np.float64]:
    """(N,) -log p of the label in nats; rows are clipped at `floor`, then renormalized."""
    rows = np.arange(len(labels))
    total = np.maximum(probabilities, floor).sum(axis=1)
    result: NDArray[np.float64] = np.log(total) - np.log(np.maximum(probabilities[rows, labels], floor))
    return result


def nll(probabilities: NDArray[np.float64], labels: NDArray[np.int64], floor: float) -> tuple[float, int]:
    """(mean of `nll_of_samples`, number of samples whose p of the label was below `floor`)."""
    below = probabilities[np.arange(len(labels)), labels] < floor
    return float(nll_of_samples(probabilities, labels, floor).mean()), int(below.sum())


def brier_of_samples(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N,) squared error summed over classes, in [0, 2]: sum_k p_k^2 - 2 p_y + 1."""
    of_label = probabilities[np.arange(len(labels)), labels]
    result: NDArray[np.float64] = np.einsum("nk,nk->n", probabilities, probabilities) - 2 * of_label + 1
    return result


def brier(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean over samples of the squared error summed over classes, in [0, 2]."""
    return float(brier_of_samples(probabilities, labels).mean())


def confusion(predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """(K, K) counts: row = true class, column = predicted class."""
    counts: NDArray[np.int64] = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)
