"""Protection from a curation that hurts: the noise estimate, and warnings based on measurements, given before training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekit import registry
from edgekit.curation.noise import estimated_noise
from edgekit.types import Decision, Signals

BREAKDOWN = 0.25  # with more noise, Q3 itself lies among the noisy samples and the fence is out of reach
CLEAN = 0.03  # the estimate is within 3 points on the sets of benchmarks/noise_detection.py
WEAK = 0.5  # networks that agree with fewer labels cannot distinguish wrong labels from what they have not learned
LEARNED = 0.4  # of the way from chance to all labels, averaged over classes: 0.7 with two classes, 0.46 with ten
_SURE = 1.645  # standard deviations: one-sided 95 %
_HARDNESS_CUTS = ("iqr", "quantile", "el2n", "forgetting")


def noise(signals: Signals) -> tuple[float | None, str | None]:
    """The estimated share of wrong labels and what it is based on, out-of-fold if possible; None without probabilities."""
    if signals.oof_probs is not None:
        return estimated_noise(signals.oof_probs, signals.labels), "out-of-fold"
    if signals.pred_probs is not None:
        return estimated_noise(signals.pred_probs, signals.labels), "in-sample"
    return None, None


def agreement(signals: Signals) -> float | None:
    """The share of labels that match the networks' most probable class, out-of-fold if possible; None without probabilities."""
    p = judging(signals)
    return None if p is None else float((p.argmax(axis=1) == signals.labels).mean())


def judging(signals: Signals) -> NDArray[np.float32] | None:
    """(N, K) the probabilities used to judge labels: out-of-fold if possible, else in-sample; None without any."""
    return signals.oof_probs if signals.oof_probs is not None else signals.pred_probs


def class_agreement(p: NDArray[np.float32], labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """(K,) the share of each class's labels that match the most probable class; 1 for a class without samples."""
    sizes = np.bincount(labels, minlength=classes)
    same = np.bincount(labels[p.argmax(axis=1) == labels], minlength=classes)
    shares: NDArray[np.float64] = np.where(sizes > 0, same / np.maximum(sizes, 1), 1.0)
    return shares


def weakness(signals: Signals) -> str | None:
    """Why the networks have not learned enough to judge these labels; None if they have, or there are no probabilities.

    They must agree with half of the labels, with clearly more of them than the largest class has (Wilson's lower bound), and on
    average over classes be well above chance: a network that always predicts the largest class meets only the first condition.
    """
    p, labels = judging(signals), signals.labels
    if p is None:
        return None
    agreed, sizes = float((p.argmax(axis=1) == labels).mean()), np.bincount(labels)
    if agreed < WEAK:
        return f"the networks agree with only {agreed:.0%} of the labels"
    square = _SURE**2 / len(labels)
    clearly = (agreed + square / 2 - np.sqrt(square * (agreed * (1 - agreed) + square / 4))) / (1 + square)
    if clearly <= (largest := sizes.max() / len(labels)):
        return f"the networks agree with {agreed:.0%} of the labels, not clearly more than the largest class has ({largest:.0%})"
    mean, chance = class_agreement(p, labels, len(sizes))[sizes > 0].mean(), 1 / (sizes > 0).sum()
    if mean < chance + LEARNED * (1 - chance):
        return f"the networks agree with {mean:.0%} of a class's labels on average, where chance is {chance:.0%}"
    return None


def warnings(
    method: str, noise: float | None, basis: str | None, dropped: float, signals: Signals, decision: Decision
) -> list[str]:
    """What to know before trusting this selection. noise: estimate in [0, 1]; dropped: share of samples dropped."""
    messages = []
    if method != "none" and (weak := weakness(signals)) is not None:
        messages.append(
            f"{weak}, so they are too weak to judge them, or most labels are wrong: train them longer "
            "(--set teacher.epochs=...) before trusting this selection"
        )
    if noise is not None and method in _HARDNESS_CUTS:
        if noise >= BREAKDOWN and method == "iqr":
            messages.append(
                f"about {noise:.0%} of the labels look wrong: from 25 % on, the fence lies among the wrong labels and misses "
                "most of them"
            )
        elif noise < CLEAN and dropped > 2 * noise:
            messages.append(
                f"the labels look clean (about {noise:.1%} wrong, estimated {basis}), yet {dropped:.1%} would be dropped: this "
                "removes hard samples and likely hurts; compare with --control or --curate none, or use --curate auto"
            )
    reads_validation = registry.CURATIONS[method].on_validation and decision.facts.get("variant") != "self"
    if reads_validation and not signals.val_trusted:
        messages.append(
            f"{method!r} trusts the validation labels, which are as noisy as the training labels unless they were checked; "
            "pass --trusted-val if they were"
        )
    return messages
