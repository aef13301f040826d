"""What one network is trained on, and everything that decides what comes of it: the key of its stage in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from edgekit.environment import framework_versions
from edgekit.recipe import Recipe, StudentSection, TeacherSection
from edgekit.store import code_digest, sha256_file
from edgekit.students import public
from edgekit.training import tuning
from edgekit.types import Dataset

Role = Literal["teacher", "fold", "student", "opinion", "embeddings"]
FILES: Mapping[Role, str] = {
    "teacher": "teacher.keras",
    "fold": "fold.keras",
    "student": tuning.STUDENT,
    "opinion": "opinion.npy",
    "embeddings": "signals.npz",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """What one network is trained on: ids of training samples, in data-set order, with labels, and weights (None = equal).

    watch: ids of the training samples that the network then describes in signals.npz (None = no signals are wanted).
    per_epoch: describe them after each epoch too. seed: of initial weights and batches. classes: outputs of the network, if
    not the data set's. teacher: the network whose opinion is asked (role "opinion"). opinion: the file with it, to learn from.
    shown: the share of these samples that a teacher has learned. checkpoint: a folder that outlives a kill, for checkpoints.
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32] | None = None
    watch: NDArray[np.str_] | None = None
    per_epoch: bool = False
    seed: int = 42
    classes: int | None = None
    teacher: str | None = None
    opinion: str | None = None
    shown: float | None = None
    checkpoint: str | None = None


def key(recipe: Recipe, dataset: Dataset, job: Job, *sections: BaseModel) -> dict[str, Any]:
    """Everything that decides what a training stage comes to, for the stage cache."""
    return {
        "data": dataset.fingerprint,
        "mirrored": dataset.input.mirrored,
        "job": {
            name: None if value is None else hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            for name, value in (
                ("ids", job.ids),
                ("labels", job.labels),
                ("weights", job.weights),
                ("watch", job.watch),
            )
        }
        | {"per_epoch": job.per_epoch, "seed": job.seed, "classes": job.classes, "shown": job.shown}
        # Files of the stage cache: their folders are named by the digest of what made them.
        | {
            name: path and Path(path).parent.name for name, path in (("teacher", job.teacher), ("opinion", job.opinion))
        },
        "weights": weights_digest(recipe, dataset) if recipe.student in sections else None,
        "deterministic": recipe.deterministic,
        "backend": framework_versions(recipe.backend),
        "sections": [section.model_dump(mode="json") for section in sections],
        "code": code_digest("training", "students", "peft", "backend.py", "layers.py", "data/pixels.py"),
    }


def student_key(recipe: Recipe, dataset: Dataset, job: Job) -> dict[str, Any]:
    """`key` of a student's training."""
    return key(recipe, dataset, job, recipe.training, recipe.student, recipe.distillation, recipe.peft)


def weights_digest(recipe: Recipe, dataset: Dataset) -> str | None:
    """SHA-256 of the file that the student starts from, if there is one; raises as `public.start_of` does."""
    path = public.start_of(recipe.student, dataset.input.shape)
    return sha256_file(path) if path and path.is_file() else None


def named(section: StudentSection | TeacherSection) -> str:
    """A network's name with its width, as it is told: "microresnet-m"."""
    return f"{section.name}-{section.width}" if section.width else section.name


def teacher_seed(recipe: Recipe) -> int:
    """The RNG seed of the teacher: its own, or the recipe's."""
    return recipe.seed if recipe.teacher.seed is None else recipe.teacher.seed
