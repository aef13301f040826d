"""The accuracy of a recipe by K-fold cross-validation, with an interval that does not assume independent folds.

The K networks share training samples, so the binomial interval of the pooled predictions is too short (Bates, Hastie and
Tibshirani 2021). The interval is the wider of two: Wilson's of the pooled samples, of fewer effective samples if they come in
groups; and Student's of the folds' accuracies with the variance (1/K + n_test/n_train) s^2 (Nadeau and Bengio 2003), which
accounts for the shared samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError
from edgekit.evidence.proportion import wilson

_LEVEL = 0.95
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidated:
    """Accuracy over all folds: n samples, each tested once; 95 % `interval`, at each end the wider of `pooled` and `folded`.

    effective: the sample size in Wilson's interval, n if samples are independent. per_fold: n and accuracy of each fold.
    """

    folds: int
    n: int
    accuracy: float
    interval: Interval
    pooled: Interval
    folded: Interval
    effective: float
    per_fold: tuple[Mapping[str, Any], ...]


def judge(right: NDArray[np.bool_], fold: NDArray[np.int64], group: NDArray[np.str_] | None = None) -> CrossValidated:
    """The accuracy of the pooled predictions.

    Args:
        right: (N,) whether the network not trained on a sample classified it correctly. fold: (N,) its fold.
        group: (N,) samples of one group (speaker, camera) are wrong together; None = each by itself.

    Raises:
        DataError: fewer than 2 folds, or arrays of different lengths.
    """
    names = np.unique(fold)
    if len(names) < 2 or len(fold) != len(right) or (group is not None and len(group) != len(right)):
        raise DataError(
            f"Expected (N,) answers and folds, of 2 folds or more; found {right.shape} and {len(names)} folds."
        )
    n, p = len(right), float(right.mean())
    effective = float(n) if group is None else _effective(right.astype(np.float64), group)
    each = [right[fold == name] for name in names]
    pooled = wilson(p, effective)
    folded = corrected_t(p, np.array([own.mean() for own in each]), tested=n / len(names), trained=n - n / len(names))
    return CrossValidated(
        folds=len(names),
        n=n,
        accuracy=p,
        interval=(min(pooled[0], folded[0]), max(pooled[1], folded[1])),
        pooled=pooled,
        folded=folded,
        effective=effective,
        per_fold=tuple({"n": len(own), "accuracy": float(own.mean())} for own in each),
    )


def corrected_t(center: float, accuracies: NDArray[np.float64], *, tested: float, trained: float) -> Interval:
    """Nadeau and Bengio's corrected resampled t, within [0, 1]: variance (1/K + tested/trained) s^2, K - 1 degrees of freedom."""
    from scipy.stats import t

    count = len(accuracies)
    spread = math.sqrt((1 / count + tested / trained) * float(accuracies.var(ddof=1)))
    half = float(t.ppf(0.5 + _LEVEL / 2, count - 1)) * spread
    return max(0.0, center - half), min(1.0, center + half)


def _effective(right: NDArray[np.float64], group: NDArray[np.str_]) -> float:
    """n over the design effect: the variance of the mean by whole groups, over that of independent samples; at most n.

    If all predictions are right, or all wrong, no variance shows how groups behave: a group then counts as one sample.
    """
    _, member = np.unique(group, return_inverse=True)
    count, n, p = int(member.max()) + 1, len(right), float(right.mean())
    if p in (0.0, 1.0) or count < 2:
        return float(count)
    sums = np.bincount(member, weights=right - p)
    by_group = count / (count - 1) * float((sums**2).sum()) / n**2
    return float(min(n, max(1.0, p * (1 - p) / by_group))) if by_group > 0 else float(n)
