"""How many labels look wrong: the off-diagonal mass of confident learning's joint (Northcutt et al., arXiv 1911.00068).

From in-sample probabilities it is a lower estimate, since a teacher learns part of the wrong labels too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def thresholds(pred_probs: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(K,) mean probability of class k among the samples given class k; infinity for a class without samples."""
    classes = pred_probs.shape[1]
    return np.array(
        [pred_probs[labels == k, k].mean(dtype=np.float64) if (labels == k).any() else np.inf for k in range(classes)]
    )


def confident_joint(pred_probs: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """(K, K) counts: row = given class, column = the most probable class among those at or above their threshold."""
    classes = pred_probs.shape[1]
    candidates = np.where(pred_probs >= thresholds(pred_probs, labels), pred_probs, -1.0)
    votes, confident = candidates.argmax(axis=1), candidates.max(axis=1) >= 0
    joint = np.zeros((classes, classes), np.int64)
    np.add.at(joint, (labels[confident], votes[confident]), 1)
    return joint


def estimated_noise(pred_probs: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """The share of wrong labels in [0, 1]: each row of the joint calibrated to its class size, off-diagonal mass summed."""
    joint = confident_joint(pred_probs, labels).astype(np.float64)
    sizes = np.bincount(labels, minlength=pred_probs.shape[1])
    rows = joint.sum(axis=1)
    wrong = np.divide(rows - joint.diagonal(), rows, out=np.zeros(len(rows)), where=rows > 0)
    return float((wrong * sizes).sum() / sizes.sum())
