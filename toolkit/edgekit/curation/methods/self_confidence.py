"""Self-confidence: the out-of-fold probability of the given label (Northcutt et al. 2021, arXiv 1911.00068).

The default ranker: strong on symmetric and human noise, weak where two classes are systematically swapped. Cost: K training runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.curation.signals import out_of_fold
from edgekit.types import Decision, Scores, Signals


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = p of the given label, in [0, 1]; only ranks. Raises RecipeError without out-of-fold probabilities."""
    p = out_of_fold(signals, "self-confidence")
    values = p[np.arange(len(p)), signals.labels].astype(np.float32)
    return Decision(scores=Scores(method="self-confidence", ids=signals.ids, values=values))
