"""What happens to a chosen sample: it is dropped, relabeled, or given less weight; and weights that grow with difficulty.

The rules and where their defaults come from: docs/methods.md, "Edits". Up-weighting hard samples can hurt, so it is capped at a
quarter and off by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.curation.signals import cross_entropy
from edgekit.errors import RecipeError
from edgekit.types import Edit, Signals


def _probabilities(signals: Signals, what: str) -> NDArray[np.float32]:
    p = signals.oof_probs if signals.oof_probs is not None else signals.pred_probs
    if p is None:
        raise RecipeError(f"{what} needs the probabilities of a network; the signals have none.")
    return p


def drops(signals: Signals, reasons: Mapping[int, str], values: NDArray[Any]) -> dict[int, Edit]:
    """A drop for each index in `reasons`, in data-set order."""
    return {
        i: Edit(action="drop", old=int(signals.labels[i]), new=None, reason=reasons[i], score=float(values[i]))
        for i in sorted(reasons)
    }


def suggested(signals: Signals) -> NDArray[np.int64] | None:
    """(N,) the most probable class of each sample, out-of-fold if available; None without probabilities."""
    p = signals.oof_probs if signals.oof_probs is not None else signals.pred_probs
    return None if p is None else p.argmax(axis=1).astype(np.int64)


def relabels(signals: Signals, reasons: Mapping[int, str], values: NDArray[Any], confidence: float) -> dict[int, Edit]:
    """The most probable class as the new label where its probability reaches `confidence`; else a drop.

    A sample whose label is already the most probable class stays unchanged.
    """
    p = _probabilities(signals, "relabel")
    edits = drops(signals, reasons, values)
    for i, edit in list(edits.items()):
        likely = int(p[i].argmax())
        if likely == signals.labels[i]:
            del edits[i]
        elif p[i, likely] >= confidence:
            edits[i] = Edit(
                action="relabel",
                old=edit.old,
                new=likely,
                score=edit.score,
                reason=f"{edit.reason}; p = {p[i, likely]:.3f}",
            )
    return edits


def soft_weights(signals: Signals, reasons: Mapping[int, str], values: NDArray[Any]) -> dict[int, Edit]:
    """Weight sigmoid(-2 (L - 1)) for the loss L in nats, relative to a sample without loss (docs/methods.md, "Edits")."""
    loss = cross_entropy(_probabilities(signals, "weight"), signals.labels).astype(np.float64)
    relative = (1 + np.exp(-2.0)) / (1 + np.exp(2 * (np.minimum(loss, 50.0) - 1)))
    return {
        i: Edit(action="weight", old=1.0, new=float(relative[i]), reason=reasons[i], score=float(values[i]))
        for i in sorted(reasons)
    }


def upweighted(edits: Mapping[int, Edit], signals: Signals, values: NDArray[Any], share: float) -> dict[int, Edit]:
    """Weights (1 - |share|) + |share| e / mean(e) on top of the edits; e = ‖p - label‖₂, or √2 - e for a negative share."""
    p = _probabilities(signals, "upweight").astype(np.float64)
    p[np.arange(len(p)), signals.labels] -= 1
    difficulty = np.linalg.norm(p, axis=1)
    e = difficulty if share > 0 else np.sqrt(2.0) - difficulty
    factor = (1 - abs(share)) + abs(share) * e / max(1e-12, float(e.mean()))
    combined = dict(edits)
    for i in range(len(factor)):
        edit = combined.get(i)
        if edit is not None and edit.action != "weight":
            continue
        base = edit.new if edit is not None and edit.new is not None else 1.0
        reason = "difficulty" if edit is None else f"{edit.reason}; difficulty"
        combined[i] = Edit(action="weight", old=1.0, new=base * float(factor[i]), reason=reason, score=float(values[i]))
    return dict(sorted(combined.items()))
