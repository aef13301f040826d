"""Temperature scaling: one number that corrects over- or under-confidence (Guo et al. 2017; docs/methods.md, "Temperature").

T is fitted on a separate calibration split, never on test and never on data used for early stopping or influence, and for each
file separately: a quantized file has its own T. Accuracy stays the same; the ranking of samples may change with more than two
classes, so areas under risk and coverage are reported before and after.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError
from edgekit.evidence.metrics import Quality, checked, floor_of, quality
from edgekit.types import Output

Predictions = tuple[NDArray[np.floating[Any]], NDArray[np.int64]]
LARGEST_LOG = 4.0
# Fewer samples are not enough. A T fitted on n of them costs some 1/(2n) nats on others where 1 was right: 0.04 at 12, 0.01 here.
LEAST = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """value: T, softmax(logits / T). n: samples of the fit. nll_before, nll_after: on those samples, in nats.

    at_bound: T is e^-4 or e^4, the end of the search range: the split is too small or perfectly separated.
    """

    value: float
    n: int
    nll_before: float
    nll_after: float
    at_bound: bool


def logits_of(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(N, K) log p, equal to the logits up to a constant per row; p of int8 is first clipped at half a level and renormalized."""
    p = probabilities.astype(np.float64)
    p = np.maximum(p, floor_of(p))
    logits: NDArray[np.float64] = np.log(p / p.sum(axis=1, keepdims=True))
    return logits


def fit(logits: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> Temperature:
    """T with the lowest NLL, for log T in [-4, 4].

    The NLL is convex in 1/T, so its slope there has at most one root, which is found to machine precision; a search for the
    minimum itself would reach only half of the digits.

    Args:
        logits: (N, K); `logits_of` computes them from probabilities.
        labels: (N,) in [0, K).

    Raises:
        DataError: see `edgekit.evidence.metrics.checked`.
    """
    from scipy.optimize import brentq
    from scipy.special import logsumexp

    z = checked(logits, labels)
    z -= z.max(axis=1, keepdims=True)
    of_label = z[np.arange(len(labels)), labels]

    def loss(log_t: float) -> float:
        scaled = z * math.exp(-log_t)
        return float((logsumexp(scaled, axis=1) - of_label * math.exp(-log_t)).mean())

    def slope(log_t: float) -> float:
        """Derivative by 1/T: mean over samples of (expected logit - logit of the label); rises with 1/T."""
        weight = np.exp(z * math.exp(-log_t))
        return float(((weight * z).sum(axis=1) / weight.sum(axis=1) - of_label).mean())

    at_cold, at_hot = slope(-LARGEST_LOG), slope(LARGEST_LOG)
    if at_cold == at_hot == 0:  # all logits of each row are equal: every T is equally good
        log_t = 0.0
    elif at_cold <= 0:
        log_t = -LARGEST_LOG
    elif at_hot >= 0:
        log_t = LARGEST_LOG
    else:
        log_t = brentq(slope, -LARGEST_LOG, LARGEST_LOG, xtol=1e-13, rtol=1e-14)
    return Temperature(
        value=math.exp(log_t),
        n=len(labels),
        nll_before=loss(0.0),
        nll_after=loss(log_t),
        at_bound=abs(log_t) == LARGEST_LOG,
    )


def apply(logits: NDArray[np.floating[Any]], temperature: float) -> NDArray[np.float64]:
    """(N, K) softmax(logits / temperature)."""
    from scipy.special import softmax

    if not temperature > 0:
        raise DataError(f"A temperature must be above 0; found {temperature}.")
    result: NDArray[np.float64] = softmax(logits.astype(np.float64) / temperature, axis=1)
    return result


def probabilities(values: NDArray[np.floating[Any]], output: Output) -> NDArray[np.floating[Any]]:
    """The (N, K) outputs of a file as probabilities: unchanged, or the softmax of logits.

    Computed in float64: in float32 it is exactly 1 from a margin of about 17 on, which would tie answers that the file separates.
    """
    return apply(values, 1.0) if output == "logits" else values


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeAfter:
    """One file's metrics on test, before and after its own temperature. Quote AURC before and AUGRC after; each has both."""

    temperature: Temperature
    before: Quality
    after: Quality


def before_and_after(calibration: Predictions, test: Predictions, *, logits: bool = False) -> BeforeAfter:
    """Fit T on the calibration split of one file, and measure its test split with and without it.

    Args:
        calibration, test: ((N, K) probabilities or logits, (N,) labels), of different samples.
        logits: whether they are logits.
    """
    inputs = [values if logits else logits_of(checked(values, labels)) for values, labels in (calibration, test)]
    temperature = fit(inputs[0], calibration[1])
    as_given = apply(test[0], 1.0) if logits else test[0]
    return BeforeAfter(
        temperature=temperature,
        before=quality(as_given, test[1]),
        after=quality(apply(inputs[1], temperature.value), test[1]),
    )
