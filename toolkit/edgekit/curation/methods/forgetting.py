"""Forgetting events: how often a sample went from right to wrong between epochs (Toneva et al. 2019, arXiv 1812.05159).

A sample that was never right counts one more than any other can. Scores have many ties, so it is a weak detector
(docs/curation.md); it is included for comparison with published work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.curation.signals import required
from edgekit.types import Decision, Scores, Signals


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = -(number of forgetting events), or -(epochs) if never right; only ranks. Raises RecipeError."""
    margins = required(signals.margins, "forgetting", "the margins after each epoch of a training")
    right = margins > 0
    events = (right[:-1] & ~right[1:]).sum(axis=0)
    counts = np.where(right.any(axis=0), events, len(margins))
    return Decision(scores=Scores(method="forgetting", ids=signals.ids, values=-counts.astype(np.float32)))
