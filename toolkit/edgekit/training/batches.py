"""What a network is trained on: which samples in which order, their augmented views, and the target rows of its loss."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.pixels import to_float
from edgekit.training.augment import Augmentation
from edgekit.types import Split


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SoftLabels:
    """Soft labels: a teacher's logits (V, N, K) for V views of N samples, and their weight in the loss (training.distill).

    rows: (n,) which of the N samples the network is trained on, in its order. view_seed: seed of the views.
    """

    logits: NDArray[np.float16]
    rows: NDArray[np.int64]
    view_seed: int
    alpha: float
    temperature: float

    def soft(self, view: int, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """(B, K) probabilities at the temperature."""
        z = self.logits[view, self.rows[index]].astype(np.float32) / np.float32(self.temperature)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        p: NDArray[np.float32] = e / e.sum(axis=1, keepdims=True)
        return p


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """What a network learns from: `train`, which are left of `full` samples after curation; `val`, which each round is judged on.

    weights: (n,) weight of each training sample's loss, mean 1; None = all equal. soft_labels: a teacher's, for views
    of `train`.
    """

    train: Split
    val: Split
    full: int
    weights: NDArray[np.float32] | None = None
    soft_labels: SoftLabels | None = None


def batch_indices(samples: int, batch_size: int, batches: int, seed: int) -> NDArray[np.int64]:
    """(batches, batch_size) sample indices: permutation after permutation, so that each sample occurs equally often."""
    rng = np.random.default_rng(seed)
    rounds = math.ceil(batches * batch_size / samples)
    order = np.concatenate([rng.permutation(samples) for _ in range(rounds)])
    return order[: batches * batch_size].reshape(batches, batch_size)


def target_rows(labels: NDArray[np.int64], classes: int, *, rows: bool, soft: bool) -> NDArray[Any]:
    """(N,) labels; (N, K) one-hot rows, for label smoothing and mixup; (N, 2K) with room for soft labels, empty here."""
    if not (rows or soft):
        return labels
    hot = np.eye(classes, dtype=np.float32)[labels]
    return np.concatenate([hot, np.zeros_like(hot)], axis=1) if soft else hot


class Views:
    """The augmented views of all samples, one for each pass through them; with soft labels, the views the teacher predicted."""

    def __init__(
        self,
        augmentation: Augmentation,
        samples: int,
        shape: tuple[int, ...],
        seed: int,
        soft_labels: SoftLabels | None,
    ) -> None:
        self._augmentation, self._shape, self._soft_labels = augmentation, shape, soft_labels
        self._samples = samples if soft_labels is None else soft_labels.logits.shape[1]
        self._seed = seed if soft_labels is None else soft_labels.view_seed
        self._kept: dict[int, dict[str, NDArray[Any]]] = {}

    def number(self, rounds: int) -> int:
        """The view of round `rounds`."""
        return rounds if self._soft_labels is None else rounds % len(self._soft_labels.logits)

    def make(self, x: NDArray[Any], index: NDArray[np.int64], view: int) -> NDArray[Any]:
        """The images `x` of samples `index` in `view`."""
        if view not in self._kept:
            if len(self._kept) > 1:  # a batch spans at most two rounds
                del self._kept[min(self._kept)]
            self._kept[view] = draw(self._augmentation, self._samples, self._shape, self._seed, view)
        drawn = self._kept[view]
        index = index if self._soft_labels is None else self._soft_labels.rows[index]
        return self._augmentation.apply(x, {name: rows[index] for name, rows in drawn.items()})


def draw(
    augmentation: Augmentation, samples: int, shape: tuple[int, ...], seed: int, view: int
) -> dict[str, NDArray[Any]]:
    """View `view` of all samples; the same for the same seed."""
    return augmentation.draw(samples, shape, np.random.default_rng([seed, 1, view]))


def augmented(
    images: Iterable[NDArray[Any]],
    targets: NDArray[Any],
    indices: NDArray[np.int64],
    views: Views,
    *,
    samples: int,
    first: int,
    soft_labels: SoftLabels | None,
    mixup: float,
    seed: int,
    weights: NDArray[np.float32] | None,
) -> Iterator[tuple[NDArray[Any], ...]]:
    """(x, y) or (x, y, weight) batches.

    Args:
        images: (B, H, W, C) of `indices` from batch `first` on; may end early, when training was interrupted.
        samples: number of samples, which is one round.
        mixup: alpha of the beta distribution that mixes each sample with another (Zhang et al. 2018, arXiv 1710.09412).
    """
    for number, x in enumerate(images, first):
        index = indices[number]
        rounds = (np.arange(len(index)) + number * len(index)) // samples
        y = targets[index]
        views_of_batch = np.empty_like(x)
        for each in np.unique(rounds):
            rows, view = rounds == each, views.number(int(each))
            views_of_batch[rows] = views.make(x[rows], index[rows], view)
            if soft_labels is not None:
                y[rows, y.shape[1] // 2 :] = soft_labels.soft(view, index[rows])
        batch = to_float(views_of_batch)
        weight = None if weights is None else weights[index]
        if mixup:
            rng = np.random.default_rng([seed, 4, number])
            share, other = np.float32(rng.beta(mixup, mixup)), rng.permutation(len(index))
            batch, y = share * batch + (1 - share) * batch[other], share * y + (1 - share) * y[other]
            weight = None if weight is None else share * weight + (1 - share) * weight[other]
        yield (batch, y) if weight is None else (batch, y, weight)
