"""Keep every sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.types import Decision, Scores, Signals


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """All scores are 0 and nothing is dropped."""
    return Decision(
        scores=Scores(method="none", ids=signals.ids, values=np.zeros(len(signals.ids), np.float32)), drop={}
    )
