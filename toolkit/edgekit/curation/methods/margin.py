"""Normalized margin: out-of-fold probability of the given label minus the largest other one, mapped to [0, 1].

Better than self-confidence on pair noise (docs/curation.md). Cost: K training runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.curation.signals import out_of_fold
from edgekit.types import Decision, Scores, Signals


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = (p_y - max of the others + 1) / 2; only ranks. Raises RecipeError without out-of-fold probabilities."""
    p = out_of_fold(signals, "margin")
    rows = np.arange(len(p))
    others = p.copy()
    others[rows, signals.labels] = -1
    values = ((p[rows, signals.labels] - others.max(axis=1) + 1) / 2).astype(np.float32)
    return Decision(scores=Scores(method="margin", ids=signals.ids, values=values))
