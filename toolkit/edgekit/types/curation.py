"""Inputs and results of curation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgekit.notebook import reprs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Fact = float | int | str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signals:
    """What networks predict for each training sample; every array but ids and labels may be None.

    ids: (N,) unique str. labels: (N,) int64, the given labels, in [0, classes).
    pred_probs: (N, K) float32, rows sum to 1, of a teacher trained on these samples (in-sample).
    oof_probs: (N, K) float32, out-of-fold: of a network that has not seen the sample.
    margins: (E, N) float32, logit of the given label minus the largest other one, after each epoch of the in-sample teacher.
    errors: (E, N) float32, the L2 norm of (probabilities - one-hot label) after each epoch of the in-sample teacher.
    threshold_areas: (2, N) float32, mean margins of two training runs; threshold_samples: (2, N) bool, which had a false label.
    embeddings: (N, D) float32, the penultimate layer; folds: (N,) int64, which network embedded the sample (spaces of
        different networks cannot be compared), None = one network for all.
    val_embeddings: (F, M, D) float32, the validation samples in each network's space; val_labels: (M,) int64.
    val_trusted: the validation labels are known to be cleaner than the training labels.
    groups: (N,) str or None. digests: (N,) str, SHA-256 of each sample's bytes.
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    classes: int
    pred_probs: NDArray[np.float32] | None = None
    oof_probs: NDArray[np.float32] | None = None
    margins: NDArray[np.float32] | None = None
    errors: NDArray[np.float32] | None = None
    threshold_areas: NDArray[np.float32] | None = None
    threshold_samples: NDArray[np.bool_] | None = None
    embeddings: NDArray[np.float32] | None = None
    folds: NDArray[np.int64] | None = None
    val_embeddings: NDArray[np.float32] | None = None
    val_labels: NDArray[np.int64] | None = None
    val_trusted: bool = False
    groups: NDArray[np.str_] | None = None
    digests: NDArray[np.str_] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """An unlabeled pool with a teacher's outputs, and the labeled and validation samples in the same embedding space.

    pred_probs: (N, K) float32. embeddings: (N, D). labeled_embeddings: (n, D), labeled: (n,) labels.
    val_embeddings: (M, D), val_labels: (M,).
    """

    ids: NDArray[np.str_]
    pred_probs: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    labeled_embeddings: NDArray[np.float32]
    labeled: NDArray[np.int64]
    val_embeddings: NDArray[np.float32]
    val_labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """One number per sample, (N,) float32: higher = more worth keeping, in every method."""

    method: str
    ids: NDArray[np.str_]
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """The result of a curation method: scores, the samples it would drop itself, and warnings.

    drop: sample index -> reason, the method's own cut; None = the method only ranks, and `select` cuts by a budget.
    facts: the numbers behind the cut (fences, ...). columns: additional scores for scores.parquet, e.g. a consensus' members.
    """

    scores: Scores
    drop: Mapping[int, str] | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    columns: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One edited sample. action: "drop", "relabel" or "weight"; old and new: labels, or weights; score: higher = better."""

    action: str
    old: float
    new: float | None
    reason: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """The curated training set: its samples in data-set order with the labels and weights to train on, and every edit.

    kept: (n,) ids. labels: (n,) int64 after relabeling. weights: (n,) float32 with mean 1, or None = all equal.
    edits: id -> Edit, in data-set order. sha256 is the digest of selection.jsonl's bytes.
    per_class: class (by given label) -> (before, kept).
    held_back: class -> (edits wanted, edits taken), if the class's bound allowed fewer.
    """

    method: str
    params: Mapping[str, Any]
    seed: int
    kept: NDArray[np.str_]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32] | None
    edits: Mapping[str, Edit]
    per_class: Sequence[tuple[int, int]]
    facts: Mapping[str, Fact]
    warnings: tuple[str, ...]
    sha256: str
    held_back: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def dropped(self) -> Mapping[str, Edit]:
        """The edits that drop."""
        return {name: edit for name, edit in self.edits.items() if edit.action == "drop"}

    @property
    def relabeled(self) -> Mapping[str, Edit]:
        """The edits that relabel."""
        return {name: edit for name, edit in self.edits.items() if edit.action == "relabel"}

    def __repr__(self) -> str:
        return reprs.selection(self)

    def _repr_html_(self) -> str:
        return reprs.selection_html(self)
