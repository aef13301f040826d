"""EL2N: distance of early predictions from the label, ‖p - one_hot(y)‖₂ (Paul et al. 2021, arXiv 2107.07075).

A difficulty score: high for wrong labels and for hard samples alike. Do not keep the hardest samples if labels may be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.curation.signals import required
from edgekit.types import Decision, Scores, Signals

_EARLY = slice(1, 3)  # the second and third epoch: after the first the network is still mostly its initial weights


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = -(mean error of the second and third epoch), or of the only one; only ranks. Raises RecipeError."""
    errors = required(signals.errors, "el2n", "the errors after each epoch of a training")
    early = errors[_EARLY] if len(errors) > 1 else errors
    return Decision(scores=Scores(method="el2n", ids=signals.ids, values=-early.mean(axis=0, dtype=np.float32)))
