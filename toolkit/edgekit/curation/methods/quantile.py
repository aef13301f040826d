"""The loss cut with a budget: drop the samples of highest in-sample loss, as many as the budget says.

The only loss cut with a controllable size (docs/methods.md, "Loss quantile"). On clean data these are the hard samples, not
wrong ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.curation.signals import cross_entropy, in_sample
from edgekit.types import Decision, Scores, Signals


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = -loss in nats; only ranks. Raises RecipeError without in-sample probabilities."""
    loss = cross_entropy(in_sample(signals, "quantile"), signals.labels)
    return Decision(scores=Scores(method="quantile", ids=signals.ids, values=-loss))
