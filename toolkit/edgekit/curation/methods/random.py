"""Drop samples at random: the control that every other method must beat. Uniform, regardless of class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.errors import RecipeError
from edgekit.types import Decision, Scores, Signals


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = a uniform draw in [0, 1); drop the `budget` samples with the lowest. Raises RecipeError without a budget."""
    if budget is None:
        raise RecipeError("'random' needs a budget: how many samples to drop, as a count or a share below 1.")
    values = np.random.default_rng(seed).random(len(signals.ids), dtype=np.float32)
    return Decision(
        scores=Scores(method="random", ids=signals.ids, values=values), facts={"removed_low": 0, "removed_high": 0}
    )
