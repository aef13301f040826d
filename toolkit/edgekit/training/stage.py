"""The training stages as a build runs them: teacher and folds with their signals, and student; each writes to a folder.

`run` works in this process on the TensorFlow backend, and in a separate process on any other, `python -m edgekit.training`
(a process has only one Keras backend).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import registry, students
from edgekit.data.splits import take
from edgekit.frameworks import backend
from edgekit.recipe import PeftSection, Recipe, TeacherSection, TrainingSection
from edgekit.runs.code import code_digest
from edgekit.runs.stages import Stages
from edgekit.students import transformer
from edgekit.training import flops, jobs, learned, process, signals, soft_labels, tuning
from edgekit.training.augment import augmentation_of
from edgekit.training.batches import Samples
from edgekit.training.checkpoint import Checkpoint
from edgekit.training.fit import steps_per_epoch
from edgekit.training.jobs import FILES, Job, Role
from edgekit.training.phases import fit_in_phases
from edgekit.types import Dataset, Reporter, TrainedModel

_LOOKED_AT = 1000  # training samples evaluated at the end, for the training accuracy


def run(role: Role, recipe: Recipe, dataset: Dataset, job: Job, folder: Path, reporter: Reporter) -> None:
    """Train `role` on `job`; writes FILES[role], training.json and, with `job.watch`, signals.npz to `folder`.

    A student whose new parameters are to be merged has the files of `tuning` instead of FILES["student"].

    Raises:
        TrainingError: training diverged, or the backend's process failed.
    """
    if recipe.backend == "tensorflow":
        train(role, recipe, dataset, job, folder, reporter)
    else:
        fields = {field.name: getattr(job, field.name) for field in dataclasses.fields(job)}
        process.run(
            role, recipe, dataset, fields, folder, reporter, deterministic=_deterministic(role, recipe, job)
        )  # fmt: skip


def network(
    name: str,
    title: str,
    role: Role,
    recipe: Recipe,
    dataset: Dataset,
    job: Job,
    key: Mapping[str, Any],
    stages: Stages,
) -> Path:
    """`run` as the cached stage `name`; warns if the network has not learned, and records that in `stages.untrained`."""
    cached = stages.cached(name, title, key, lambda folder: run(role, recipe, dataset, job, folder, stages.reporter))
    if reasons := json.loads((cached / "training.json").read_text())["learned"]["reasons"]:
        stages.untrained[name] = "; ".join(reasons)
        stages.reporter.warn(f"the network of this stage has not learned: {stages.untrained[name]}")
    return cached


def train(role: Role, recipe: Recipe, dataset: Dataset, job: Job, folder: Path, reporter: Reporter) -> None:
    """Do the work of `run` in this process."""
    keras = backend.load(recipe.backend)
    deterministic = _deterministic(role, recipe, job)
    backend.seed(keras, job.seed, deterministic=deterministic)
    if role == "soft_labels":
        soft_labels.compute(keras, recipe, dataset, job, folder, reporter)
        return
    if role == "embeddings":
        _embed(keras, recipe, dataset, job, folder, reporter)
        return
    section = recipe.training if role == "student" else recipe.teacher
    named_in = recipe.teacher if isinstance(section, TeacherSection) else recipe.student
    table = "students" if role == "student" else "teachers"
    classes = job.classes or len(dataset.classes)

    def built() -> Any:
        file = recipe.student.backbone if role == "student" else None
        model = students.build(table, named_in.name, keras, dataset.input.shape, classes, named_in.width, file)
        transformer.set_patchout(model, section.patchout)
        return model

    macs = flops.macs(built())
    precision = backend.precision(keras, section.precision, macs)
    flops_before, seconds_before = 0, 0.0
    for attempt in range(section.retries + 1):
        backend.seed(keras, job.seed, deterministic=deterministic)
        with backend.distributed(keras) as devices, backend.computing(keras, precision):
            plain = built()
            if role == "student":
                tuned = tuning.prepare(keras, plain, recipe, dataset, reporter)
            else:
                tuned = tuning.Tuned(section=PeftSection(), plain=plain, model=plain)
            facts, watched = _fitted(keras, tuned, role, recipe, dataset, job, section, attempt, reporter)
        if not facts["learned"]["reasons"] or attempt == section.retries:
            break
        flops_before, seconds_before = flops_before + facts["train_flops"], seconds_before + facts["seconds"]
        section = section.model_copy(update={"epochs": 2 * section.epochs})
        reporter.note(f"{'; '.join(facts['learned']['reasons'])}: trained again with {section.epochs:,} epochs")
    if plain.dtype_policy.compute_dtype != "float32":
        tuned = tuned.in_float32(keras, built())
    shipped = tuned.plain if tuned.section.merges else tuned.model
    facts |= {
        "architecture": jobs.named(named_in),
        "framework": f"keras {keras.__version__} on {keras.backend.backend()}",
        "device": backend.device(keras) + (f" x {devices}" if devices > 1 else "") + f", {precision}",
        "params": int(shipped.count_params()),
        "macs": flops.macs(shipped),
        "epochs": section.epochs,
        "retried": {"count": attempt, "train_flops": flops_before, "seconds": seconds_before},
    }
    tuned.save(keras, folder / FILES[role], dataset)
    (folder / "training.json").write_text(json.dumps(facts))
    if watched:
        watched.save(folder / "signals.npz")


def _deterministic(role: Role, recipe: Recipe, job: Job) -> bool:
    """Whether a repeated run must give the same result: on request, and always for what a curation reads.

    What it removes must be the same after a kill, and selections are compared by digest. A tuned frozen trunk is such an input
    (`frozen.tune`); the training of the shipped student is then the same, so that a build may share it.
    """
    tuning_of_the_trunk = role == "student" and recipe.student.frozen and recipe.peft.method != "none"
    return recipe.deterministic or job.watch is not None or role == "embeddings" or tuning_of_the_trunk


def _fitted(
    keras: Any,
    tuned: tuning.Tuned,
    role: Role,
    recipe: Recipe,
    dataset: Dataset,
    job: Job,
    section: TrainingSection,
    attempt: int,
    reporter: Reporter,
) -> tuple[dict[str, Any], signals.Watcher | None]:
    """Train the network; returns steps, seconds, history, FLOP and whether it has learned, and the watcher."""
    model = tuned.model
    chosen = take(dataset.train, np.flatnonzero(np.isin(dataset.train.ids, job.ids)))
    watched = None
    if job.watch is not None:
        rows = np.flatnonzero(np.isin(dataset.train.ids, job.watch))
        given = dataclasses.replace(take(dataset.train, rows), y=_labels_of(job, dataset.train.ids[rows]))
        watched = signals.Watcher(keras, model, given, dataset.val, per_epoch=job.per_epoch)
    full = len(dataset.train) if role == "student" else len(job.ids)
    per_epoch = job.per_epoch and watched is not None
    samples = Samples(
        train=dataclasses.replace(chosen, y=job.labels),
        val=dataset.val,
        full=full,
        weights=weights_of(job.labels, job.weights, section),
        soft_labels=soft_labels.read(recipe, dataset, job) if role == "student" else None,
    )
    history, cost = fit_in_phases(
        keras,
        model,
        samples,
        section,
        tuned.head_first,
        augmentation=augmentation_of(section, dataset.input),
        seed=job.seed,
        reporter=reporter,
        after_epoch=watched.after_epoch if watched and per_epoch else None,
        checkpoint=Checkpoint(Path(job.checkpoint) / str(attempt)) if job.checkpoint and not per_epoch else None,
    )
    seen = np.linspace(0, len(chosen) - 1, min(_LOOKED_AT, len(chosen))).astype(np.int64)
    steps = section.epochs * steps_per_epoch(section, len(job.ids), full)
    facts = {
        "steps": steps,
        # Summed over the rounds, since those before a kill count as well.
        "seconds": sum(history["seconds"]),
        "history": dict(history),
        "train_flops": cost,
        "learned": learned.judged(
            history["loss"],
            history["val_loss"],
            steps,
            signals.probabilities(model, chosen.x[seen]).argmax(axis=1) == job.labels[seen],
            job.labels[seen],
            val_accuracy=history["val_accuracy"][-1],
            val_labels=dataset.val.y,
            teacher=job.teacher_accuracy,
        ),
    }
    return facts, watched


def weights_of(
    labels: NDArray[np.int64], weights: NDArray[np.float32] | None, section: TrainingSection
) -> NDArray[np.float32] | None:
    """(n,) mean 1: the curation's `weights`, times the inverse of the class's count if `section` balances classes."""
    if section.class_weights != "balanced":
        return weights
    share = (1 / np.maximum(np.bincount(labels), 1))[labels]
    both = share if weights is None else share * weights
    balanced: NDArray[np.float32] = (both / both.mean()).astype(np.float32)
    return balanced


def embeddings_key(recipe: Recipe, dataset: Dataset, job: Job) -> dict[str, Any]:
    """Everything that determines the embeddings of a frozen trunk, for the stage cache; how a head is trained does not."""
    student = {
        "name": recipe.student.name,
        "width": recipe.student.width,
        "file": jobs.weights_digest(recipe, dataset),
        "code": code_digest(registry.module("students", recipe.student.name)),
    }
    return jobs.key(recipe, dataset, job) | {"student": student, "peft": recipe.peft.model_dump(mode="json")}


def _embed(keras: Any, recipe: Recipe, dataset: Dataset, job: Job, folder: Path, reporter: Reporter) -> None:
    """The inputs of the head of the frozen (or tuned) student, for training and validation samples."""
    section, samples = recipe.student, (dataset.train, dataset.val)
    if job.teacher is None:
        shape, classes = dataset.input.shape, len(dataset.classes)
        plain = students.build("students", section.name, keras, shape, classes, section.width, section.backbone)
        model = tuning.prepare(keras, plain, recipe, dataset, reporter).model
    else:
        model = tuning.tuned(keras, Path(job.teacher).parent, recipe.peft)
    describer = signals.describing(keras, model)
    train, val = (signals.describe(describer, split.x)[1] for split in samples)
    np.savez(folder / FILES["embeddings"], embeddings=train, val_embeddings=val)
    cost = 2 * flops.macs(model) * sum(len(split) for split in samples)
    (folder / "training.json").write_text(json.dumps({"train_flops": cost}))


def _labels_of(job: Job, ids: NDArray[np.str_]) -> NDArray[np.int64]:
    """(n,) the labels that `job` trains on for `ids`; 0 for samples that it does not train on."""
    known = dict(zip(job.ids.tolist(), job.labels.tolist(), strict=True))
    return np.array([known.get(name, 0) for name in ids.tolist()], np.int64)


def cost(folder: Path) -> int:
    """FLOPs of the training runs behind a stage's `folder`, including those that were repeated because they did not learn."""
    facts = json.loads((folder / "training.json").read_text())
    return int(facts["train_flops"] + facts.get("retried", {}).get("train_flops", 0))


def trained(folder: Path, path: Path, selection_sha256: str) -> TrainedModel:
    """The TrainedModel of a stage's `folder`, whose .keras file is kept at `path`."""
    facts = json.loads((folder / "training.json").read_text())
    return TrainedModel(path=path, sparsity=0.0, selection_sha256=selection_sha256, **facts)
