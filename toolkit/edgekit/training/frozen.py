"""Signals from a frozen backbone: its embeddings, computed once, and heads on them, which train in seconds.

The backbone is the student's (student.backbone), unchanged or tuned by `peft` on all samples; then only the training of the head
is informative about samples. All signals are in one embedding space, so no method has to handle spaces of different networks.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.curation.head import softmax, train_head, whitened
from edgekit.recipe import Recipe
from edgekit.runs.stages import Stages
from edgekit.training import jobs, signals, stage
from edgekit.types import Dataset

_MOST_ITERATIONS = 200


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedded:
    """embeddings: (N, D) float32 of the training samples; val_embeddings: (M, D). train_flops: what computing them cost."""

    embeddings: NDArray[np.float32]
    val_embeddings: NDArray[np.float32]
    train_flops: int


def embed(recipe: Recipe, dataset: Dataset, stages: Stages) -> Embedded:
    """The embeddings of the student's frozen trunk, from the stage cache if possible.

    Raises:
        RecipeError: the backbone's file does not fit. TrainingError: tuning it diverged.
    """
    train, tuned, cost = dataset.train, None, 0
    if recipe.peft.method != "none":
        tuned = tune(recipe, dataset, stages)
        cost = stage.cost(tuned)
    job = jobs.Job(ids=train.ids, labels=train.y, teacher=None if tuned is None else str(tuned / jobs.FILES["student"]))
    cached = stages.cached(
        "embeddings",
        f"Embeddings of the frozen {jobs.named(recipe.student)}",
        stage.embeddings_key(recipe, dataset, job),
        lambda folder: stage.run("embeddings", recipe, dataset, job, folder, stages.reporter),
    )
    arrays = signals.read(cached / jobs.FILES["embeddings"])
    return Embedded(
        embeddings=arrays["embeddings"], val_embeddings=arrays["val_embeddings"], train_flops=cost + stage.cost(cached)
    )


def tune(recipe: Recipe, dataset: Dataset, stages: Stages) -> Path:
    """The cached folder of the student tuned on all samples: what a build without curation trains."""
    job = jobs.Job(ids=dataset.train.ids, labels=dataset.train.y, seed=recipe.seed)
    key = jobs.student_key(recipe, dataset, job)
    job = dataclasses.replace(job, checkpoint=str(stages.progress("training", key)))
    title = f"Student {jobs.named(recipe.student)} tuned by {recipe.peft.method}, {recipe.training.epochs:,} epochs"
    return stage.network("training", title, "student", recipe, dataset, job, key, stages)


def describe(
    needs: Sequence[str],
    embedded: Embedded,
    labels: NDArray[np.int64],
    classes: int,
    *,
    seed: int,
    epochs: int,
    fold_of: NDArray[np.int64] | None,
    marked: NDArray[np.bool_] | None,
) -> tuple[dict[str, Any], int]:
    """The fields of `Signals` that `needs` lists, from heads on `embedded`, and the FLOPs of training these heads.

    Args:
        labels: (N,) of the training samples, in [0, classes).
        epochs: number of epochs of the heads that are described after each epoch.
        fold_of: (N,) the fold of each sample, for "folds".
        marked: (2, N) which samples have a label of a class that does not exist, for "threshold".
    """
    described: dict[str, Any] = {
        "embeddings": embedded.embeddings,
        "val_embeddings": embedded.val_embeddings[None],
    }
    (space,) = whitened(embedded.embeddings)
    flops = 0
    if "teacher" in needs or "dynamics" in needs:
        described["pred_probs"], cost = _fitted(space, labels, space, classes)
        flops += cost
    if "dynamics" in needs:
        logits = _epochs(space, labels, classes, seed, epochs)
        flops += _head_flops(space, classes, epochs)
        described["margins"] = np.stack([signals.label_margin(z, labels) for z in logits])
        described["errors"] = np.stack([signals.label_error(softmax(z), labels) for z in logits])
    if fold_of is not None:
        described["oof_probs"] = np.empty((len(labels), classes), np.float32)
        for fold in np.unique(fold_of):
            out = fold_of == fold
            described["oof_probs"][out], cost = _fitted(space[~out], labels[~out], space[out], classes)
            flops += cost
    if marked is not None:
        areas = []
        for run, wrong in enumerate(marked):
            given = np.where(wrong, classes, labels)
            seen = _epochs(space, given, classes + 1, seed + run, epochs)
            flops += _head_flops(space, classes + 1, epochs)
            areas.append(np.stack([signals.label_margin(z, given) for z in seen]).mean(axis=0, dtype=np.float32))
        described |= {"threshold_areas": np.stack(areas), "threshold_samples": marked}
    return described, flops


def _head_flops(space: NDArray[np.float32], outputs: int, passes: int) -> int:
    """FLOPs of a head that sees all samples `passes` times: its product and the gradient of its weights, 2 MAC each of N D K."""
    return 2 * 2 * space.size * outputs * passes


def _fitted(
    inside: NDArray[np.float32], labels: NDArray[np.int64], outside: NDArray[np.float32], classes: int
) -> tuple[NDArray[np.float32], int]:
    """Softmax regression with L2 on `inside`, trained to convergence.

    Returns:
        (n, K) probabilities for `outside`, 0 for classes not seen, and FLOPs: one pass over the samples for each iteration and
        one before the first, since scikit-learn does not report the extra passes of its line searches.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    p = np.zeros((len(outside), classes), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # only affects the last digits of a regularized head
        head = LogisticRegression(max_iter=_MOST_ITERATIONS).fit(inside, labels)
    p[:, head.classes_] = head.predict_proba(outside)
    # For two classes it fits one row of weights.
    return p, _head_flops(inside, len(head.coef_), int(head.n_iter_.max()) + 1)


def _epochs(
    space: NDArray[np.float32], labels: NDArray[np.int64], classes: int, seed: int, epochs: int
) -> list[NDArray[np.float32]]:
    """(N, K) logits after each epoch of a head trained by plain SGD."""
    heads = train_head(space, labels, classes, seed=seed, epochs=epochs, checkpoints=epochs)
    return [space @ head.weights + head.bias for head in heads]
