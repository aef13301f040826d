"""How many labels look wrong, and between which classes: confident learning's joint (Northcutt et al., arXiv 1911.00068).

With in-sample probabilities both are underestimates, since a teacher learns part of the wrong labels too.
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
    """(K, K) counts: row = given class, column = the class a sample is confidently predicted as; the diagonal is at least 1.

    A sample counts for a class if its probability reaches the class's threshold; if it does for several, for the most probable.
    """
    classes = pred_probs.shape[1]
    confident = pred_probs >= thresholds(pred_probs, labels) - 1e-6
    several, some = confident.sum(axis=1) > 1, confident.any(axis=1)
    votes = np.where(several, pred_probs.argmax(axis=1), confident.argmax(axis=1))
    joint = np.zeros((classes, classes), np.int64)
    np.add.at(joint, (labels[some], votes[some]), 1)
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1))
    return joint


def calibrated_joint(pred_probs: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """(K, K) the confident joint with each row scaled to its class's size: rows sum to the class counts, in whole numbers."""
    joint = confident_joint(pred_probs, labels).astype(np.float64)
    sizes = np.bincount(labels, minlength=len(joint))
    scaled = (joint.T / joint.sum(axis=1) * sizes).T
    scaled = scaled / scaled.sum() * sizes.sum()  # changes only the last bits, which decide ties as in cleanlab
    return np.stack([_whole(row) for row in scaled])


def _whole(row: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round to integers with the same (whole) sum: the remainder goes where rounding took away the most."""
    rounded = np.round(row)
    excess = round(rounded.sum() - row.sum())
    step = -1 if excess > 0 else 1
    order = np.argsort(row - rounded, kind="stable")[::-step][: abs(excess)]
    rounded[order] += step
    return rounded.astype(np.int64)


def surest(pred_probs: NDArray[Any], share: float) -> NDArray[np.int64]:
    """Indices of the `share` of samples of each predicted class with the highest confidence; at least one of each."""
    votes, confidence = pred_probs.argmax(axis=1), pred_probs.max(axis=1)
    chosen = []
    for k in np.unique(votes):
        rows = np.flatnonzero(votes == k)
        chosen.append(rows[np.argsort(-confidence[rows], kind="stable")][: max(1, round(share * len(rows)))])
    return np.concatenate(chosen)


_SHARES = (0.2, 0.3, 0.4, 0.5, 0.6)


def estimated_noise(pred_probs: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """The share of wrong labels in [0, 1]: the joint's off-diagonal mass in the limit of full confidence.

    The plain joint counts a network's errors as wrong labels. Where the network is most confident, a disagreement means that the
    label is wrong (anchor points: Liu & Tao 2016, arXiv 1411.7718; Patrini et al. 2017, arXiv 1609.03683). So the threshold of
    each predicted class rises until only a share of its samples is left, and a line fitted to the disagreement at shares from
    60 % to 20 % is extrapolated to 0 %.
    """
    votes, confidence = pred_probs.argmax(axis=1), pred_probs.max(axis=1)
    wrong = np.zeros(len(_SHARES))
    for k in np.unique(votes):
        rows = np.flatnonzero(votes == k)
        rows = rows[np.argsort(-confidence[rows], kind="stable")]
        off = np.cumsum(labels[rows] != k) / np.arange(1, len(rows) + 1)
        wrong += [off[max(0, round(share * len(rows)) - 1)] * len(rows) for share in _SHARES]
    slope, limit = np.polyfit(_SHARES, wrong / len(labels), 1)
    # A negative slope (less disagreement where it is less confident) says nothing about noise: use the most confident share.
    return float(np.clip(limit if slope > 0 else wrong[0] / len(labels), 0.0, 1.0))
