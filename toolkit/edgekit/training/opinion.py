"""A teacher's opinion as a stage: asked once, of the views that the student will see, and learned from (distillation)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgekit import backend
from edgekit.recipe import Recipe
from edgekit.training import distill, flops, jobs
from edgekit.training.augment import Augmentation, resolve
from edgekit.training.batches import Opinion
from edgekit.training.jobs import Job
from edgekit.types import Dataset, Reporter


def views_of(recipe: Recipe, dataset: Dataset) -> int:
    """How many views of each image the teacher is asked about; without augmentation all are the same."""
    augmentation = _augmentation(recipe, dataset)
    if augmentation.name == "none" and not augmentation.cutout:
        return 1
    return recipe.distillation.views or recipe.training.epochs


def key(recipe: Recipe, dataset: Dataset, job: Job) -> dict[str, Any]:
    """Everything that decides a teacher's opinion, for the stage cache."""
    augmentation = _augmentation(recipe, dataset)
    views = {"augment": augmentation.name, "cutout": augmentation.cutout, "views": views_of(recipe, dataset)}
    return jobs.key(recipe, dataset, job) | {"views": views}


def ask(keras: Any, recipe: Recipe, dataset: Dataset, job: Job, folder: Path, reporter: Reporter) -> None:
    """Leave the logits of `job.teacher` for all views of all training samples in `folder`."""
    assert job.teacher is not None
    teacher = keras.models.load_model(job.teacher, compile=False)
    precision = backend.precision(keras, recipe.teacher.precision, flops.macs(teacher))
    with backend.computing(keras, precision):
        logits = distill.ask(
            keras,
            teacher,
            dataset.train,
            _augmentation(recipe, dataset),
            views=views_of(recipe, dataset),
            seed=job.seed,
            reporter=reporter,
        )
    distill.save(logits, folder / jobs.FILES["opinion"])


def read(recipe: Recipe, dataset: Dataset, job: Job) -> Opinion | None:
    """What `job` learns from beside the labels, None = nothing."""
    if job.opinion is None:
        return None
    section = recipe.distillation
    return Opinion(
        logits=distill.load(Path(job.opinion)),
        rows=np.flatnonzero(np.isin(dataset.train.ids, job.ids)),
        view_seed=jobs.teacher_seed(recipe),
        alpha=section.alpha,
        temperature=section.temperature,
    )


def _augmentation(recipe: Recipe, dataset: Dataset) -> Augmentation:
    name = resolve(recipe.training.augment, mirrored=dataset.input.mirrored, front_end=dataset.input.front_end)
    return Augmentation(name=name, cutout=recipe.training.cutout, front_end=dataset.input.front_end)
