"""TRAK on an ensemble of heads (Park et al. 2023, arXiv 2303.14186): attribution to validation samples, by class or on average.

Designed for faithful attribution; for cleaning labels it is one more score (docs/methods.md, "TRAK"). Cost: a Gram matrix of
((D+1)K)² per head.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.curation.head import standardized, train_head
from edgekit.curation.spaces import spaces
from edgekit.curation.trak import scores
from edgekit.errors import RecipeError
from edgekit.types import Decision, Scores, Signals

_HEADS, _DAMPING = 3, 1e-2
_MOST_PARAMETERS = 8192


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = attribution to the mean validation sample, or the minimum over validation classes; only ranks.

    Raises:
        RecipeError: embeddings are missing, or the head is too large.
    """
    values = np.empty(len(signals.ids), np.float32)
    for space in spaces(signals):
        if space.val_embeddings is None or space.val_labels is None:
            raise RecipeError("'trak' needs embeddings and labels of validation samples.")
        h, val_h = standardized(space.embeddings, space.val_embeddings)
        if (h.shape[1] + 1) * signals.classes > _MOST_PARAMETERS:
            raise RecipeError(f"A head of {h.shape[1]} features and {signals.classes} classes is too large for 'trak'.")
        heads = [train_head(h, space.labels, signals.classes, seed=seed + k)[-1] for k in range(_HEADS)]
        by_class = scores(h, space.labels, val_h, space.val_labels, heads, damping=_DAMPING)
        if params.get("variant") == "min":
            values[space.index] = by_class.min(axis=1)
        else:
            sizes = np.bincount(space.val_labels)[np.unique(space.val_labels)]
            values[space.index] = by_class @ (sizes / sizes.sum())
    return Decision(scores=Scores(method="trak", ids=signals.ids, values=values))
