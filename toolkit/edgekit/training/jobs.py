"""What one network is trained on, and everything that determines the result: the key of its stage in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from edgekit import registry
from edgekit.recipe import Recipe, StudentSection, TeacherSection
from edgekit.runs.code import code_digest
from edgekit.runs.environment import framework_versions
from edgekit.runs.files import sha256_file
from edgekit.students.pretrained import public
from edgekit.training import tuning
from edgekit.types import Dataset

# Runs the training and imports this module.
_STAGE = "edgekit.training.stage"
Role = Literal["teacher", "fold", "student", "soft_labels", "embeddings"]
FILES: Mapping[Role, str] = {
    "teacher": "teacher.keras",
    "fold": "fold.keras",
    "student": tuning.STUDENT,
    "soft_labels": "soft_labels.npy",
    "embeddings": "signals.npz",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """What one network is trained on: ids of training samples, in data-set order, with labels, and weights (None = equal).

    watch: ids of the training samples that the network then describes in signals.npz (None = no signals).
    per_epoch: describe them after each epoch too. seed: of initial weights and batches. classes: outputs of the network, if
    not the data set's. teacher: the network that computes soft labels (role "soft_labels"). soft_labels: their file.
    teacher_accuracy: the share of these samples that a teacher has learned. checkpoint: a folder for checkpoints, which survives
    a kill.
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32] | None = None
    watch: NDArray[np.str_] | None = None
    per_epoch: bool = False
    seed: int = 42
    classes: int | None = None
    teacher: str | None = None
    soft_labels: str | None = None
    teacher_accuracy: float | None = None
    checkpoint: str | None = None


def key(recipe: Recipe, dataset: Dataset, job: Job, *sections: BaseModel) -> dict[str, Any]:
    """Everything that determines the result of a training stage, for the stage cache."""
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
        | {
            "per_epoch": job.per_epoch,
            "seed": job.seed,
            "classes": job.classes,
            "teacher_accuracy": job.teacher_accuracy,
        }
        # Files of the stage cache: their folders are named by the digest of their inputs.
        | {
            name: path and Path(path).parent.name
            for name, path in (("teacher", job.teacher), ("soft_labels", job.soft_labels))
        },
        "weights": weights_digest(recipe, dataset) if recipe.student in sections else None,
        "deterministic": recipe.deterministic,
        "backend": framework_versions(recipe.backend),
        "sections": [section.model_dump(mode="json") for section in sections],
        "code": code_digest(
            _STAGE,
            *(_builder(section) for section in sections if isinstance(section, (StudentSection, TeacherSection))),
        ),
    }


def _builder(section: StudentSection | TeacherSection) -> str:
    """The module of the network that a student or teacher section names."""
    table = "students" if isinstance(section, StudentSection) else "teachers"
    return registry.module(table, section.name)


def student_key(recipe: Recipe, dataset: Dataset, job: Job) -> dict[str, Any]:
    """`key` of a student's training."""
    return key(recipe, dataset, job, recipe.training, recipe.student, recipe.distillation, recipe.peft)


def weights_digest(recipe: Recipe, dataset: Dataset) -> str | None:
    """SHA-256 of the file that the student starts from, if there is one; raises as `public.start_of` does."""
    path = public.start_of(recipe.student, dataset.input.shape)
    return sha256_file(path) if path and path.is_file() else None


def named(section: StudentSection | TeacherSection) -> str:
    """A network's display name with its width: "microresnet-m"."""
    return f"{section.name}-{section.width}" if section.width else section.name


def teacher_seed(recipe: Recipe) -> int:
    """The RNG seed of the teacher: its own, or the recipe's."""
    return recipe.seed if recipe.teacher.seed is None else recipe.teacher.seed
