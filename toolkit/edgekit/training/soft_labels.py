"""A teacher's soft labels as a stage: computed once, for the views that the student will see (distillation)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgekit.frameworks import backend
from edgekit.recipe import Recipe
from edgekit.training import distill, flops, jobs
from edgekit.training.augment import augmentation_of
from edgekit.training.batches import SoftLabels
from edgekit.training.jobs import Job
from edgekit.types import Dataset, Reporter


def views_of(recipe: Recipe, dataset: Dataset) -> int:
    """How many views of each image the teacher predicts; without augmentation all are the same."""
    augmentation = augmentation_of(recipe.training, dataset.input)
    if augmentation.name == "none" and not augmentation.cutout:
        return 1
    return recipe.distillation.views or recipe.training.epochs


def key(recipe: Recipe, dataset: Dataset, job: Job) -> dict[str, Any]:
    """Everything that determines a teacher's soft labels, for the stage cache."""
    augmentation = augmentation_of(recipe.training, dataset.input)
    views = {"augment": augmentation.name, "cutout": augmentation.cutout, "views": views_of(recipe, dataset)}
    return jobs.key(recipe, dataset, job) | {"views": views}


def compute(keras: Any, recipe: Recipe, dataset: Dataset, job: Job, folder: Path, reporter: Reporter) -> None:
    """Save the logits of `job.teacher` for all views of all training samples in `folder`."""
    assert job.teacher is not None
    teacher = keras.models.load_model(job.teacher, compile=False)
    precision = backend.precision(keras, recipe.teacher.precision, flops.macs(teacher))
    with backend.computing(keras, precision):
        logits = distill.teacher_logits(
            keras,
            teacher,
            dataset.train,
            augmentation_of(recipe.training, dataset.input),
            views=views_of(recipe, dataset),
            seed=job.seed,
            reporter=reporter,
        )
    distill.save(logits, folder / jobs.FILES["soft_labels"])


def read(recipe: Recipe, dataset: Dataset, job: Job) -> SoftLabels | None:
    """The soft labels that `job` is trained on in addition to the labels; None = none."""
    if job.soft_labels is None:
        return None
    section = recipe.distillation
    return SoftLabels(
        logits=distill.load(Path(job.soft_labels)),
        rows=np.flatnonzero(np.isin(dataset.train.ids, job.ids)),
        view_seed=jobs.teacher_seed(recipe),
        alpha=section.alpha,
        temperature=section.temperature,
    )
