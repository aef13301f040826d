"""Drop samples at random: the control that every other method must beat. Uniform, without regard to class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.errors import RecipeError
from edgekit.types import Decision, Scores, Signals


def decide(signals: Signals, *, budget: float | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Drop the `budget` samples (a count, or a share below 1) with the lowest of N uniform draws in [0, 1).

    Raises:
        RecipeError: no budget, or one that leaves no sample.
    """
    count = len(signals.ids)
    if budget is None:
        raise RecipeError("'random' needs a budget: how many samples to drop, as a count or a share below 1.")
    number = round(budget * count) if budget < 1 else round(budget)
    if number >= count:
        raise RecipeError(f"A budget of {number} drops all {count} training samples; choose a smaller one.")
    values = np.random.default_rng(seed).random(count, dtype=np.float32)
    lowest = np.argsort(values, kind="stable")[:number]
    return Decision(
        scores=Scores(method="random", ids=signals.ids, values=values),
        drop={int(i): "random" for i in np.sort(lowest)},
        facts={"removed_low": 0, "removed_high": 0},
    )
