"""What protects the user from a curation that hurts: the noise estimate, and what was measured, said before training."""

from __future__ import annotations

from edgekit import registry
from edgekit.curation.noise import estimated_noise
from edgekit.types import Decision, Signals

BREAKDOWN = 0.25  # with more noise, Q3 itself lies among the noisy samples and the fence is out of reach
CLEAN = 0.03  # the estimate is within 3 points on the sets of benchmarks/noise_detection.py
WEAK = 0.5  # networks that agree with fewer of the labels cannot tell wrong labels from what they have not learned
_HARDNESS_CUTS = ("iqr", "quantile", "el2n", "forgetting")


def noise(signals: Signals) -> tuple[float | None, str | None]:
    """The estimated share of wrong labels and what it rests on, out-of-fold if possible; None without probabilities."""
    if signals.oof_probs is not None:
        return estimated_noise(signals.oof_probs, signals.labels), "out-of-fold"
    if signals.pred_probs is not None:
        return estimated_noise(signals.pred_probs, signals.labels), "in-sample"
    return None, None


def agreement(signals: Signals) -> float | None:
    """The share of labels that the networks' most probable class equals, out-of-fold if possible; None without probabilities."""
    p = signals.oof_probs if signals.oof_probs is not None else signals.pred_probs
    return None if p is None else float((p.argmax(axis=1) == signals.labels).mean())


def warnings(
    method: str, noise: float | None, basis: str | None, dropped: float, signals: Signals, decision: Decision
) -> list[str]:
    """What to know before trusting this selection. noise: estimate in [0, 1]; dropped: share of samples dropped."""
    told = []
    agreed = agreement(signals)
    if method != "none" and agreed is not None and agreed < WEAK:
        told.append(
            f"the networks agree with only {agreed:.0%} of the labels, so they are too weak to judge them, or most labels are "
            "wrong: train them longer (--set teacher.epochs=...) before trusting this selection"
        )
    if noise is not None and method in _HARDNESS_CUTS:
        if noise >= BREAKDOWN and method == "iqr":
            told.append(
                f"about {noise:.0%} of the labels look wrong: from 25 % on, the fence lies among them and misses most"
            )
        elif noise < CLEAN and dropped > 2 * noise:
            told.append(
                f"the labels look clean (about {noise:.1%} wrong, estimated {basis}), yet {dropped:.1%} would go: "
                "a cut of hard samples that likely hurts; compare with --control or --curate none, or let --curate auto decide"
            )
    reads_validation = registry.CURATIONS[method].on_validation and decision.facts.get("variant") != "self"
    if reads_validation and not signals.val_trusted:
        told.append(
            f"{method!r} trusts the validation labels, which are as noisy as the training labels unless they were checked; "
            "say --trusted-val if they were"
        )
    return told
