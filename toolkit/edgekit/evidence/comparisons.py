"""Two files on the same samples: differences with intervals, McNemar's mid-p, and the conclusion they allow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import IntegrityError
from edgekit.evidence.bootstrap import Interval, paired
from edgekit.evidence.by_class import UNEVEN, by_class, imbalance
from edgekit.evidence.planning import LEVEL, paired_difference
from edgekit.evidence.significance import mcnemar
from edgekit.evidence.weighted import statistic

Predictions = tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.float32]]
DRAWS = 1000
METRICS = ("accuracy", "nll", "brier", "aurc", "augrc", "ece_squared")
# Reported if the classes of the samples are uneven; otherwise it equals accuracy.
BALANCED = "balanced_accuracy"
_OF_METHODS = ("curation", "runs")


def compare(
    kind: str, name_a: str, a: Predictions, name_b: str, b: Predictions, *, split: str = "test"
) -> dict[str, Any]:
    """Compare file A with file B; a row of report.json's `comparisons`.

    Args:
        kind: "quantization" (A made from B), "max_drop" (the same, on the samples that the gate uses), "curation" (A curated, B
            the control) or "runs" (from two run folders).
        a, b: (ids, labels, (N, K) probabilities) of the same samples.
        split: the split of these samples.

    Returns:
        Among others `difference` in accuracy with its interval, `differences` in every metric (also balanced accuracy if the
        classes of the samples are uneven), and `detectable_difference`: the difference in accuracy that this many samples of two
        such files reveal with 80 % chance (None if they never differ).

    Raises:
        IntegrityError: the predictions are not of the same samples. DataError: see `edgekit.evidence.metrics.checked`.
    """
    labels = _same_samples(name_a, a, name_b, b)
    p_a, p_b = a[2], b[2]
    right_a, right_b = p_a.argmax(axis=1) == labels, p_b.argmax(axis=1) == labels
    classes_a, classes_b = (by_class(p.argmax(axis=1), labels, p.shape[1]) for p in (p_a, p_b))
    metrics = METRICS if imbalance(classes_a.n) < UNEVEN else (METRICS[0], BALANCED, *METRICS[1:])
    test = mcnemar(right_a, right_b)
    word = "no significant difference" if test.mid_p >= LEVEL else ("better" if test.difference > 0 else "worse")
    discordance = (test.only_a + test.only_b) / len(labels)
    # If every sample is right in both or wrong in both, there is no evidence.
    seen = paired_difference(discordance, len(labels)) if discordance else math.inf
    detectable = None if math.isinf(seen) else seen
    return {
        "kind": kind,
        "a": name_a,
        "b": name_b,
        "split": split,
        "n": len(labels),
        "accuracy_a": float(right_a.mean()),
        "accuracy_b": float(right_b.mean()),
        "balanced_accuracy_a": classes_a.balanced_accuracy,
        "balanced_accuracy_b": classes_b.balanced_accuracy,
        "macro_f1_a": classes_a.macro_f1,
        "macro_f1_b": classes_b.macro_f1,
        "difference": test.difference,
        "difference_interval": [test.lower, test.upper],
        "only_a_right": test.only_a,
        "only_b_right": test.only_b,
        "agreement": float((p_a.argmax(axis=1) == p_b.argmax(axis=1)).mean()),
        "detectable_difference": detectable,
        "mcnemar_exact_p": test.exact_p,
        "mcnemar_mid_p": test.mid_p,
        "differences": {
            metric: dataclasses.asdict(interval)
            for metric, interval in differences(name_a, a, name_b, b, metrics, draws=DRAWS).items()
        },
        # One RNG seed per side: this is about these two files, never about the methods that made them.
        "files": f"{name_a} against {name_b}: accuracy {100 * test.difference:+.2f} points ({100 * test.lower:+.2f} to "
        f"{100 * test.upper:+.2f}, mid-p {test.mid_p:.3g}): {_verdict_text(kind, word, detectable)}",
        "verdict": "no evidence (1 seed)" if kind in _OF_METHODS else word,
    }


def _verdict_text(kind: str, word: str, detectable: float | None) -> str:
    if word.startswith("no"):
        return (
            word
            if detectable is None
            else f"{word}; with this many samples, differences of {100 * detectable:.2g} points or more are detectable"
        )
    return "these two files differ, which different RNG seeds alone can cause" if kind in _OF_METHODS else word


def differences(
    name_a: str, a: Predictions, name_b: str, b: Predictions, metrics: Sequence[str] = METRICS, *, draws: int = 2000
) -> dict[str, Interval]:
    """A - B in each metric, such as int8 - float, with the paired percentile bootstrap interval over the test samples.

    Args:
        a, b: as in `compare`.
        metrics: keys of `edgekit.evidence.weighted.METRICS`.

    Raises:
        IntegrityError: the predictions are not of the same samples. DataError: see `edgekit.evidence.metrics.checked`.
    """
    labels = _same_samples(name_a, a, name_b, b)
    return {
        metric: paired(statistic(metric, a[2], labels), statistic(metric, b[2], labels), len(labels), draws=draws)
        for metric in metrics
    }


def _same_samples(name_a: str, a: Predictions, name_b: str, b: Predictions) -> NDArray[np.int64]:
    """The labels of both."""
    if not (np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1])):
        raise IntegrityError(f"{name_a} and {name_b} were evaluated on different samples and cannot be paired.")
    return a[1]
