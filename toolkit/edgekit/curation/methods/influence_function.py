"""Influence functions on the head: how removing a sample would change the validation loss (Koh & Liang 2017, arXiv 1703.04730).

Score = g_valᵀ (H + λI)⁻¹ g_i with the mean validation gradient, at the end of the head's training: up-weighting sample i
lowers the validation loss by it. kfac: the Hessian as a Kronecker product, one (D+1)³ inverse. exact: all of it, ((D+1)K)³, for
(D+1)K up to a few thousand. Best precision among the top ranks on pair noise (docs/curation.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.curation import curvature
from edgekit.curation.head import probabilities, residuals, standardized, train_head, with_one
from edgekit.curation.spaces import spaces
from edgekit.errors import RecipeError
from edgekit.types import Decision, Scores, Signals

_KFAC_DAMPING, _EXACT_DAMPING = 1e-2, 1e-2
_MOST_PARAMETERS = 8192  # the exact Hessian then takes half a gigabyte


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = influence on the mean validation loss, positive = a proponent; only ranks.

    Raises:
        RecipeError: embeddings are missing, or the head is too large for the exact Hessian.
    """
    exact = (params.get("variant") or "kfac") == "exact"
    values = np.empty(len(signals.ids), np.float32)
    for space in spaces(signals):
        if space.val_embeddings is None or space.val_labels is None:
            raise RecipeError("'influence-function' needs embeddings and labels of validation samples.")
        h, val_h = standardized(space.embeddings, space.val_embeddings)
        if exact and (h.shape[1] + 1) * signals.classes > _MOST_PARAMETERS:
            raise RecipeError(
                f"The exact Hessian of {h.shape[1]} features and {signals.classes} classes is too large; use variant kfac."
            )
        head = train_head(h, space.labels, signals.classes, seed=seed)[-1]
        one, p = with_one(h), probabilities(h, head)
        gradient = (with_one(val_h).T @ residuals(val_h, space.val_labels, head) / len(val_h))[None]
        if exact:
            direction = curvature.solve_exact(curvature.hessian(one, p), _EXACT_DAMPING, gradient)
        else:
            direction = curvature.solve_kfac(one, p, _KFAC_DAMPING, gradient)
        p[np.arange(len(p)), space.labels] -= 1
        values[space.index] = np.einsum("nk,nk->n", one @ direction[0].astype(np.float32), p)
    return Decision(scores=Scores(method="influence-function", ids=signals.ids, values=values))
