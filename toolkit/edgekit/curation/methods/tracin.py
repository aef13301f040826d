"""Head-only TracIn: how SGD steps on a sample changed the loss of validation samples (Pruthi et al. 2020, 2002.08484).

min: the minimum over validation classes, which finds systematically swapped labels. mean: over all validation samples, reliable
for at most 1 % of edits and unreliable beyond. self: minus the influence on the sample's own loss, which needs no
validation. When named "influence": min, or mean with max_edit (docs/methods.md, "TracIn"). A fresh head is trained on frozen
embeddings, whitened for influence on validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.curation import attribution
from edgekit.curation.head import standardized, train_head, whitened
from edgekit.curation.spaces import spaces
from edgekit.errors import RecipeError
from edgekit.types import Decision, Scores, Signals


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = influence, positive = a proponent (or minus self-influence); only ranks.

    Raises:
        RecipeError: embeddings are missing, or those of validation samples for any variant but self.
    """
    variant = params.get("variant") or "min"
    if variant == "auto":
        variant = "mean" if params.get("max_edit") else "min"
    values = np.empty(len(signals.ids), np.float32)
    for space in spaces(signals):
        if variant == "self":
            (h,) = standardized(space.embeddings)
            heads = train_head(h, space.labels, signals.classes, seed=seed)
            values[space.index] = -attribution.self_influence(h, space.labels, heads)
            continue
        if space.val_embeddings is None or space.val_labels is None:
            raise RecipeError("'tracin' needs embeddings and labels of validation samples; variant self needs none.")
        h, val_h = whitened(space.embeddings, space.val_embeddings)
        heads = train_head(h, space.labels, signals.classes, seed=seed)
        mean, by_class = attribution.on_validation(h, space.labels, val_h, space.val_labels, heads)
        values[space.index] = mean if variant == "mean" else by_class.min(axis=1)
    return Decision(scores=Scores(method="tracin", ids=signals.ids, values=values), facts={"variant": variant})
