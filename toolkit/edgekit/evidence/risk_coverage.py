"""How well does confidence rank right above wrong? The risk-coverage family, exact under ties.

Definitions: docs/methods.md, "Risk and coverage".

Accept the k most confident samples; E of them are wrong. Selective risk is E/k, generalized risk E/n, coverage k/n. Files in
int8 have 256 levels of probability, so many confidences are equal: everything here works on groups of equal confidence, and no
result depends on the order of samples. "Error" is True if the prediction is wrong; for every area here lower is better.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Confidence = NDArray[np.floating[Any]]
Error = NDArray[np.bool_]
Convention = Literal["geifman_ties", "fd_shifts"]


class RiskCoverage:
    """The risk-coverage curve of N samples: sorted once, read many times.

    Attributes:
        n: samples.
        thresholds: (G,) distinct confidences, highest first.
        accepted: (G,) float64, samples with at least that confidence (k_g).
        errors: (G,) float64, errors among them (E_g).
    """

    def __init__(self, confidence: Confidence, error: Error) -> None:
        self.n = len(error)
        order = np.argsort(-confidence, kind="stable")
        ranked = confidence[order]
        last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        self.thresholds = ranked[last]
        self.accepted = (last + 1).astype(np.float64)
        self.errors = np.cumsum(error[order], dtype=np.float64)[last]

    @property
    def error_rate(self) -> float:
        """Share of errors among all samples."""
        return float(self.errors[-1] / self.n)

    def errors_among(self, accepted: NDArray[np.floating[Any]] | float) -> NDArray[np.float64]:
        """Expected errors among that many most confident samples, over random orders of ties."""
        errors: NDArray[np.float64] = np.interp(accepted, np.append(0, self.accepted), np.append(0, self.errors))
        return errors

    def augrc(self) -> float:
        """Area under generalized risk over coverage (Traub et al. 2024, arXiv 2407.01032): the rate of silent failures."""
        risk, coverage = np.append(0, self.errors / self.n), np.append(0, self.accepted / self.n)
        return float(((risk[1:] + risk[:-1]) / 2 * np.diff(coverage)).sum())

    def aurc(self, convention: Convention = "geifman_ties") -> float:
        """Area under selective risk over coverage.

        Args:
            convention: "geifman_ties": mean of E_k/k over k = 1..N (Geifman and El-Yaniv 2017), averaged over the orders of ties.
                "fd_shifts": trapezoid over distinct thresholds, continued flat to coverage 0, as in IML-DKFZ/fd-shifts (which
                shows it times 1,000).
        """
        if convention == "fd_shifts":
            risk = self.errors / self.accepted
            risk, coverage = np.append(risk[0], risk), np.append(0, self.accepted / self.n)
            return float(((risk[1:] + risk[:-1]) / 2 * np.diff(coverage)).sum())
        if convention != "geifman_ties":
            raise ValueError(f"convention {convention!r} is neither 'geifman_ties' nor 'fd_shifts'")
        counts = np.arange(1, self.n + 1, dtype=np.float64)
        return float((self.errors_among(counts) / counts).mean())

    def e_aurc(self, *, asymptotic: bool = False) -> float:
        """AURC beyond that of a perfect ranking with the same errors (Geifman et al. 2019, arXiv 1805.08206)."""
        return self.aurc() - best_aurc(round(self.errors[-1]), self.n, asymptotic=asymptotic)

    def auroc_f(self) -> float:
        """Chance that a correct sample is more confident than a wrong one, ties count half; NaN if all are right or all wrong."""
        wrong = np.diff(self.errors, prepend=0)
        right = np.diff(self.accepted, prepend=0) - wrong
        if not wrong.sum() or not right.sum():
            return math.nan
        right_above = np.cumsum(right) - right
        return float((wrong * (right_above + right / 2)).sum() / (wrong.sum() * right.sum()))

    def risk_at_coverage(self, coverage: float) -> float:
        """Error rate of the ceil(coverage * N) most confident samples, coverage in (0, 1]; a tie at the edge counts in part."""
        accepted = math.ceil(coverage * self.n - 1e-9)
        return float(self.errors_among(accepted) / accepted)

    def coverage_at_risk(self, risk: float) -> float:
        """Largest coverage of a threshold whose selective risk is at most `risk`; 0 if there is none. Higher is better."""
        group = self.group_at_risk(risk)
        return 0.0 if group is None else float(self.accepted[group] / self.n)

    def group_at_risk(self, risk: float) -> int | None:
        """Index into `thresholds` of the lowest one whose selective risk is at most `risk`; None if there is none."""
        good = np.flatnonzero(self.errors / self.accepted <= risk + 1e-12)
        return int(good[-1]) if len(good) else None


def best_aurc(errors: int, n: int, *, asymptotic: bool = False) -> float:
    """AURC if all errors came last: (1/n) sum_j j/(n - errors + j), or its limit e + (1 - e) ln(1 - e), e = errors/n."""
    if asymptotic:
        rate = errors / n
        return 1.0 if rate == 1 else rate + (1 - rate) * math.log1p(-rate)
    j = np.arange(1, errors + 1)
    return float((j / (n - errors + j)).sum() / n)


def augrc(confidence: Confidence, error: Error) -> float:
    """See `RiskCoverage.augrc`. confidence: (N,) float; error: (N,) bool."""
    return RiskCoverage(confidence, error).augrc()


def aurc(confidence: Confidence, error: Error, convention: Convention = "geifman_ties") -> float:
    """See `RiskCoverage.aurc`. confidence: (N,) float; error: (N,) bool."""
    return RiskCoverage(confidence, error).aurc(convention)


def e_aurc(confidence: Confidence, error: Error, *, asymptotic: bool = False) -> float:
    """See `RiskCoverage.e_aurc`. confidence: (N,) float; error: (N,) bool."""
    return RiskCoverage(confidence, error).e_aurc(asymptotic=asymptotic)


def auroc_f(confidence: Confidence, error: Error) -> float:
    """See `RiskCoverage.auroc_f`. AUGRC = (1 - AUROC_f) acc (1 - acc) + (1 - acc)^2 / 2. Higher is better."""
    return RiskCoverage(confidence, error).auroc_f()


def risk_at_coverage(confidence: Confidence, error: Error, coverage: float) -> float:
    """See `RiskCoverage.risk_at_coverage`. confidence: (N,) float; error: (N,) bool."""
    return RiskCoverage(confidence, error).risk_at_coverage(coverage)


def coverage_at_risk(confidence: Confidence, error: Error, risk: float) -> float:
    """See `RiskCoverage.coverage_at_risk`. confidence: (N,) float; error: (N,) bool."""
    return RiskCoverage(confidence, error).coverage_at_risk(risk)
