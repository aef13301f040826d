"""Whether a trained network has learned: what its losses and its predictions say about the training itself.

Not whether it is good: a network that fits its training samples and fails on others has learned, but from too few samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A network that fits this share of its training samples gains nothing from more steps.
_KNOWN = 0.9
# With fewer steps even the averages of batch normalization are near their initial values.
_FEW_STEPS = 100
# Loss of the last quarter of the rounds, as a share of that of the quarter before. Any schedule that ends at a rate of 0 lowers
# the loss at the end; only a network far from convergence lowers it this much.
_STILL_FALLING = 0.9
# The validation loss must have fallen too, by this share at the least: where it has not, more steps only fit the training samples
# more closely. It falls more slowly, since it ends where the network stops to generalize.
_STILL_FALLING_ON_VAL = 0.95
# A large teacher memorizes wrong labels, which a small student cannot and should not do.
_FAR_BELOW = 0.25


def judged(
    losses: Sequence[float],
    val_losses: Sequence[float],
    steps: int,
    right: NDArray[np.bool_],
    labels: NDArray[np.int64],
    *,
    val_accuracy: float,
    val_labels: NDArray[np.int64],
    teacher: float | None = None,
) -> dict[str, Any]:
    """Evaluate a training run.

    Args:
        losses, val_losses: mean training and validation loss of each round, in order. steps: optimizer steps in total.
        right: (n,) whether the trained network predicts the label of unaugmented training samples. labels: (n,) these labels.
        val_accuracy: that of the trained network; val_labels: (M,) labels of the validation samples.
        teacher: the train_accuracy of a network trained on the same samples before.

    Returns:
        train_accuracy (averaged over classes, so that one large class is not enough), val_accuracy, majority (the share of the
        largest class of val), and reasons: why it has not learned, phrased to stand before "."; empty = it
        has.
    """
    majority = float(np.bincount(val_labels).max() / len(val_labels))
    present = np.unique(labels)
    known, chance = float(np.mean([right[labels == k].mean() for k in present])), 1 / len(present)
    reasons = []
    if known <= chance + 2 * np.sqrt(chance * (1 - chance) / len(right)) and known < _KNOWN:
        reasons.append(
            f"it classifies {known:.1%} of its training samples correctly (averaged over classes); guessing gets {chance:.1%}"
        )
    elif known < _KNOWN and steps < _FEW_STEPS:
        reasons.append(f"it took only {steps:,} steps, and classifies {known:.1%} of its training samples correctly")
    elif known < _KNOWN and (fell := _still_falling(losses, val_losses)) is not None:
        reasons.append(
            f"the loss was still falling fast at the end (by {1 - fell:.0%} over the last quarter), with {known:.1%} of the "
            "training samples correct"
        )
    elif val_accuracy <= majority and known < _KNOWN:
        reasons.append(f"validation accuracy {val_accuracy:.1%} does not beat the largest class, {majority:.1%}")
    elif teacher is not None and teacher - known >= _FAR_BELOW:
        reasons.append(f"it classifies {known:.1%} of its training samples correctly, its teacher {teacher:.1%}")
    return {"train_accuracy": known, "val_accuracy": float(val_accuracy), "majority": majority, "reasons": reasons}


def _still_falling(losses: Sequence[float], val_losses: Sequence[float]) -> float | None:
    """What share of it the training loss still was at the end, if both losses were falling fast; else None."""
    fell, on_val = _fell(losses), _fell(val_losses)
    if fell is None or on_val is None or fell >= _STILL_FALLING or on_val >= _STILL_FALLING_ON_VAL:
        return None
    return fell


def _fell(losses: Sequence[float]) -> float | None:
    quarter = len(losses) // 4
    if not quarter:
        return None
    before, last = np.mean(losses[-2 * quarter : -quarter]), np.mean(losses[-quarter:])
    return float(last / before) if before > 0 else None
