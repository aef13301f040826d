"""The student of a build: trained, perhaps with its teacher's opinion, merged, then pruned and made aware of quantization.

Each step is a cached stage; the key of the last one is what the exports depend on.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import merging
from edgekit.curating import Curated
from edgekit.recipe import Recipe
from edgekit.stages import Stages
from edgekit.store import RunFolder
from edgekit.training import jobs, opinion, stage, tuning
from edgekit.training.gather import plain_teacher
from edgekit.types import Dataset, TrainedModel

_PRUNED = "student_pruned.keras"


@dataclass(kw_only=True)
class Made:
    """The student as it is after each step.

    key: of the stage that made the Keras 3 model at `student.path`. teacher: curation's, or distillation's. aware: the
    quantization-aware model and the key of its stage. facts: what the merge, pruning and quantization-aware training told.
    """

    student: TrainedModel
    key: str
    teacher: TrainedModel | None
    aware: tuple[Path, str] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def train(recipe: Recipe, dataset: Dataset, curated: Curated, folder: RunFolder, stages: Stages) -> Made:
    """Train the student on the curated samples.

    Raises:
        TrainingError: training diverged. RecipeError: the weights to start from do not fit.
    """
    selection = curated.selection
    learned, teacher = _opinion(recipe, dataset, curated, folder, stages)
    job = jobs.Job(
        ids=selection.kept, labels=selection.labels, weights=selection.weights, seed=recipe.seed, opinion=learned,
        shown=None if teacher is None else teacher.learned["train_accuracy"],
    )  # fmt: skip
    key = jobs.student_key(recipe, dataset, job)
    job = dataclasses.replace(job, checkpoint=str(stages.progress("training", key)))
    title = f"Student {jobs.named(recipe.student)}, {recipe.training.epochs:,} epochs"
    made = stage.network("training", title, "student", recipe, dataset, job, key, stages)
    made, facts = _merged(recipe, dataset, made, stages)
    path = folder.adopt(made / jobs.FILES["student"], f"models/{jobs.FILES['student']}")
    student = stage.trained(made, path, selection.sha256)
    stages.reporter.note(f"val accuracy {student.history['val_accuracy'][-1]:.4f}, trained on {student.device}")
    return Made(student=student, key=made.name, teacher=teacher, facts=facts)


def _merged(recipe: Recipe, dataset: Dataset, trained: Path, stages: Stages) -> tuple[Path, dict[str, Any]]:
    """The folder with the student whose new parameters are merged, and what to tell of a training that was not of all weights."""
    if recipe.peft.method == "none":
        told = {"peft": json.loads((trained / tuning.FACTS).read_text())} if recipe.student.frozen else {}
        return trained, told
    made = stages.cached(
        "merge",
        f"Merging {recipe.peft.method}"
        if recipe.peft.merges
        else f"The operators that {recipe.peft.method} layers add",
        merging.key(recipe, dataset, trained.name),
        lambda into: merging.run(recipe, dataset, trained, into, stages.reporter),
    )
    facts = json.loads((made / "peft.json").read_text())
    stages.reporter.note(f"{facts['trainable']:,} of {facts['total']:,} parameters were trained")
    if recipe.peft.merges:
        stages.reporter.note(
            f"merged: logits differ by at most {facts['max_logit_difference']:.2g}, the operators are the plain student's"
        )
    return made, {"peft": facts}


def loss_weights(recipe: Recipe, curated: Curated) -> NDArray[np.float32] | None:
    """(n,) weight of each curated sample's loss in all trainings of the student: curation's, and its class's."""
    selection = curated.selection
    return stage.weights_of(selection.labels, selection.weights, recipe.training)


def _opinion(
    recipe: Recipe, dataset: Dataset, curated: Curated, folder: RunFolder, stages: Stages
) -> tuple[str | None, TrainedModel | None]:
    """What the teacher says about the views that the student will see, asked once for all students; and the teacher."""
    if not recipe.distillation.alpha:
        return None, curated.teacher
    known, teacher = curated.teacher_folder, curated.teacher
    # A control arm's curation has no teacher: both arms learn from the same one.
    if known is None or recipe.control:
        known = plain_teacher(recipe, dataset, stages)
        path = folder.adopt(known / jobs.FILES["teacher"], f"models/{jobs.FILES['teacher']}")
        teacher = stage.trained(known, path, selection_sha256="")
    job = jobs.Job(
        ids=dataset.train.ids,
        labels=dataset.train.y,
        seed=jobs.teacher_seed(recipe),
        teacher=str(known / jobs.FILES["teacher"]),
    )
    made = stages.cached(
        "distillation",
        f"The teacher's opinion of {opinion.views_of(recipe, dataset)} views",
        opinion.key(recipe, dataset, job),
        lambda into: stage.run("opinion", recipe, dataset, job, into, stages.reporter),
    )
    return str(made / jobs.FILES["opinion"]), teacher


def compress(recipe: Recipe, dataset: Dataset, curated: Curated, made: Made, folder: RunFolder, stages: Stages) -> None:
    """Prune `made` and make it aware of quantization, as the recipe asks; changes `made`.

    Raises:
        ExportError: a layer has no twin. TrainingError: fine-tuning diverged or missed the sparsity.
    """
    pruning, weights = recipe.pruning, loss_weights(recipe, curated)
    if pruning.channels:
        from edgekit.compression import channels_stage

        _step(
            made, "channel_pruning", f"Removing {pruning.channels:.0%} of the channels",
            channels_stage.key(recipe, made.key, dataset.input), folder, stages,
            lambda into: channels_stage.run(
                recipe, curated.train, dataset.val, weights, made.student.path, into, stages.reporter,
                spec=dataset.input,
            ),
        )  # fmt: skip
    if pruning.sparsity:
        from edgekit.compression import stage as compression

        _step(
            made, "pruning", f"Pruning to {pruning.sparsity:.0%} zeros", compression.key(recipe, made.key), folder, stages,
            lambda into: compression.run(recipe, curated.train, weights, made.student.path, into, stages.reporter),
        )  # fmt: skip
    if recipe.quantization.precision == "int8-qat":
        from edgekit.compression import stage as compression

        found = stages.cached(
            "qat",
            f"Quantization-aware training, {recipe.quantization.qat_epochs} epochs",
            compression.key_qat(recipe, made.key),
            lambda into: compression.run_qat(recipe, curated.train, weights, made.student.path, into, stages.reporter),
        )
        path = folder.adopt(found / "student_qat.tfkeras.keras", "models/student_qat.tfkeras.keras")
        made.aware = path, found.name
        made.facts["qat"] = json.loads((found / "qat.json").read_text())


def _step(
    made: Made,
    name: str,
    title: str,
    key: dict[str, Any],
    folder: RunFolder,
    stages: Stages,
    work: Callable[[Path], None],
) -> None:
    """One pruning stage: its model replaces the student's, with what it says of parameters, MAC and zeros."""
    found = stages.cached(name, title, key, work)
    facts = json.loads((found / "pruning.json").read_text())
    changed: dict[str, Any] = {
        "path": folder.adopt(found / _PRUNED, f"models/{_PRUNED}"),
        "sparsity": facts["sparsity"],
    }
    if "macs" in facts:
        changed |= {"params": facts["params"]["after"], "macs": facts["macs"]["after"]}
    made.student, made.key = dataclasses.replace(made.student, **changed), found.name
    made.facts[name] = facts
