"""The student of a build: its teacher's soft labels, its training, and the merge of what fine-tuning added."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from edgekit.pipeline import merge as merging
from edgekit.pipeline.values import Network, Results, Work
from edgekit.training import jobs, stage, tuning
from edgekit.training import soft_labels as labeling
from edgekit.training.gather import plain_teacher

_STUDENT, _TEACHER = jobs.FILES["student"], jobs.FILES["teacher"]


def teacher(work: Work, results: Results) -> Results:
    """The teacher to learn from: curation's, or one that is trained for it.

    Raises:
        TrainingError: training diverged.
    """
    # A control arm's curation has no teacher: both arms learn from the same one.
    if results.teacher_folder is not None and not work.recipe.control:
        return results
    known = plain_teacher(work.recipe, work.dataset, work.stages)
    trained = stage.trained(known, work.keep(known / _TEACHER, f"models/{_TEACHER}"), selection_sha256="")
    return dataclasses.replace(results, teacher=trained, teacher_folder=known)


def soft_labels(work: Work, results: Results) -> Results:
    """What the teacher answers to the views that the student will see, asked once for all students."""
    recipe, dataset, folder = work.recipe, work.dataset, results.teacher_folder
    assert folder is not None
    job = jobs.Job(
        ids=dataset.train.ids, labels=dataset.train.y, seed=jobs.teacher_seed(recipe), teacher=str(folder / _TEACHER)
    )
    cached = work.stages.cached(
        "distillation",
        f"The teacher's soft labels of {labeling.views_of(recipe, dataset)} views",
        labeling.key(recipe, dataset, job),
        lambda into: stage.run("soft_labels", recipe, dataset, job, into, work.reporter),
    )
    return dataclasses.replace(results, soft_labels=cached / jobs.FILES["soft_labels"])


def train(work: Work, results: Results) -> Results:
    """Train the student on the curated samples.

    Raises:
        TrainingError: training diverged. RecipeError: the weights to start from do not fit.
    """
    recipe, dataset, stages, curated = work.recipe, work.dataset, work.stages, results.curated
    assert curated is not None
    selection = curated.selection
    # Also where it does not teach: a student far below the teacher of the curation has not learned.
    teacher_model = results.teacher
    job = jobs.Job(
        ids=selection.kept, labels=selection.labels, weights=selection.weights, seed=recipe.seed,
        soft_labels=str(results.soft_labels) if results.soft_labels else None,
        teacher_accuracy=teacher_model.learned["train_accuracy"] if teacher_model else None,
    )  # fmt: skip
    key = jobs.student_key(recipe, dataset, job)
    job = dataclasses.replace(job, checkpoint=str(stages.progress("training", key)))
    title = f"Student {jobs.named(recipe.student)}, {recipe.training.epochs:,} epochs"
    folder = stage.network("training", title, "student", recipe, dataset, job, key, stages)
    facts = {"peft": json.loads((folder / tuning.FACTS).read_text())} if recipe.student.frozen else {}
    if recipe.peft.method != "none":  # whose parameters are merged first
        return dataclasses.replace(results, trained=folder)
    return _with_student(work, dataclasses.replace(results, facts=facts), folder)


def merge(work: Work, results: Results) -> Results:
    """Merge what parameter-efficient fine-tuning added.

    Raises:
        GateNotMet: the merged network gives other logits, or its file has other operators.
    """
    recipe, dataset, trained = work.recipe, work.dataset, results.trained
    assert trained is not None
    folder = work.stages.cached(
        "merge",
        f"Merging {recipe.peft.method}"
        if recipe.peft.merges
        else f"The operators that {recipe.peft.method} layers add",
        merging.key(recipe, dataset, trained.name),
        lambda into: merging.run(recipe, dataset, trained, into, work.reporter),
    )
    merged = merging.Merged.read(folder)
    work.reporter.note(f"{merged.trainable:,} of {merged.total:,} parameters were trained")
    if merged.max_logit_difference is not None:
        work.reporter.note(
            f"merged: logits differ by at most {merged.max_logit_difference:.2g}, the operators are the plain student's"
        )
    return _with_student(work, dataclasses.replace(results, facts={"peft": merged.document}), folder)


def _with_student(work: Work, results: Results, folder: Path) -> Results:
    """The student that a stage left in `folder`, kept in the run."""
    assert results.curated is not None
    student = stage.trained(
        folder, work.keep(folder / _STUDENT, f"models/{_STUDENT}"), results.curated.selection.sha256
    )
    work.reporter.note(f"val accuracy {student.history['val_accuracy'][-1]:.4f}, trained on {student.device}")
    network = Network(path=student.path, key=folder.name, params=student.params, macs=student.macs)
    return dataclasses.replace(results, student=student, unpruned=network, network=network)
