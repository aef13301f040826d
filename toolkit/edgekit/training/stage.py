"""The training stages as a build runs them: teacher and folds with their signals, and student; each fills a folder.

`run` works in this process on the TensorFlow backend, and in a process of its own on any other (a process has one Keras
backend), which `python -m edgekit.training` is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from edgekit import backend, students
from edgekit.data.splits import take
from edgekit.environment import framework_versions
from edgekit.errors import DataError, EdgekitError, TrainingError
from edgekit.recipe import Recipe, TeacherSection
from edgekit.store import code_digest
from edgekit.training import flops, signals
from edgekit.training.augment import resolve
from edgekit.training.fit import fit, steps_per_epoch
from edgekit.types import Dataset, Reporter, TrainedModel

Role = Literal["teacher", "fold", "student"]
FILES: Mapping[Role, str] = {"teacher": "teacher.keras", "fold": "fold.keras", "student": "student_float.keras"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """What one network is trained on: ids of training samples, in data-set order, with labels, and weights (None = equal).

    watch: ids of the training samples that the network then describes in signals.npz (None = no signals are wanted).
    per_epoch: describe them after each epoch too. seed: of initial weights and batches. classes: outputs of the network, if
    not the data set's.
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32] | None = None
    watch: NDArray[np.str_] | None = None
    per_epoch: bool = False
    seed: int = 42
    classes: int | None = None


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
        | {"per_epoch": job.per_epoch, "seed": job.seed, "classes": job.classes},
        "deterministic": recipe.deterministic,
        "backend": framework_versions(recipe.backend),
        "sections": [section.model_dump(mode="json") for section in sections],
        "code": code_digest("training", "students", "backend.py", "data/pixels.py"),
    }


def run(role: Role, recipe: Recipe, dataset: Dataset, job: Job, folder: Path, reporter: Reporter) -> None:
    """Train `role` as `job` says; leaves FILES[role], training.json and, with `job.watch`, signals.npz in `folder`.

    Raises:
        TrainingError: training diverged, or the backend's process failed.
    """
    if recipe.backend == "tensorflow":
        train(role, recipe, dataset, job, folder, reporter)
    else:
        _in_own_process(role, recipe, dataset, job, folder, reporter)


def train(role: Role, recipe: Recipe, dataset: Dataset, job: Job, folder: Path, reporter: Reporter) -> None:
    """Do the work of `run` in this process."""
    keras = backend.load(recipe.backend)
    # A teacher always: what it removes must be the same after a kill, and selections are compared by digest.
    backend.seed(keras, job.seed, deterministic=recipe.deterministic or role != "student")
    section = recipe.training if role == "student" else recipe.teacher
    name = recipe.teacher.name if isinstance(section, TeacherSection) else recipe.student.name
    table = "students" if role == "student" else "teachers"
    model = students.build(table, name, keras, dataset.input.shape, job.classes or len(dataset.classes))
    chosen = take(dataset.train, np.flatnonzero(np.isin(dataset.train.ids, job.ids)))
    watched = None
    if job.watch is not None:
        rows = np.flatnonzero(np.isin(dataset.train.ids, job.watch))
        given = dataclasses.replace(take(dataset.train, rows), y=_labels_of(job, dataset.train.ids[rows]))
        watched = signals.Watcher(keras, model, given, dataset.val, per_epoch=job.per_epoch)
    full = len(dataset.train) if role == "student" else len(job.ids)
    start = time.perf_counter()
    history = fit(
        keras,
        model,
        dataclasses.replace(chosen, y=job.labels),
        dataset.val,
        section,
        full=full,
        seed=job.seed,
        augment=resolve(section.augment, mirrored=dataset.input.mirrored),
        reporter=reporter,
        weights=job.weights,
        after_epoch=watched.after_epoch if watched else None,
    )
    seconds = time.perf_counter() - start
    model.save(folder / FILES[role])
    steps = len(history["loss"]) * steps_per_epoch(section, len(job.ids), full)
    facts = {
        "architecture": name,
        "framework": f"keras {keras.__version__} on {keras.backend.backend()}",
        "device": backend.device(keras),
        "params": int(model.count_params()),
        "macs": flops.macs(model),
        "train_flops": flops.train_flops(model, steps * section.batch_size),
        "steps": steps,
        "seconds": seconds,
        "history": history,
    }
    (folder / "training.json").write_text(json.dumps(facts))
    if watched:
        watched.save(folder / "signals.npz")


def _labels_of(job: Job, ids: NDArray[np.str_]) -> NDArray[np.int64]:
    """(n,) the labels that `job` trains on for `ids`; 0 for samples that it does not train on."""
    known = dict(zip(job.ids.tolist(), job.labels.tolist(), strict=True))
    return np.array([known.get(name, 0) for name in ids.tolist()], np.int64)


def trained(folder: Path, path: Path, selection_sha256: str) -> TrainedModel:
    """The TrainedModel of a stage's `folder`, whose .keras file is kept at `path`."""
    facts = json.loads((folder / "training.json").read_text())
    return TrainedModel(path=path, sparsity=0.0, selection_sha256=selection_sha256, **facts)


def _in_own_process(role: Role, recipe: Recipe, dataset: Dataset, job: Job, folder: Path, reporter: Reporter) -> None:
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    fields = {field.name: getattr(job, field.name) for field in dataclasses.fields(job)}
    np.savez(folder / "job.npz", **{name: value for name, value in fields.items() if value is not None})
    command = [sys.executable, "-m", "edgekit.training", role, str(folder), dataset.fingerprint]
    flags = os.environ.get("XLA_FLAGS", "") + (" --xla_gpu_deterministic_ops=true" if recipe.deterministic else "")
    error, code = "", TrainingError.exit_code
    # What libraries print there is noise, unless the process fails.
    with tempfile.TemporaryFile("w+") as printed:
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=printed,
            stdin=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"XLA_FLAGS": flags},
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                try:
                    message = json.loads(line)
                except ValueError:
                    continue  # a line some library printed
                if "error" in message:
                    error, code = message["error"], message["exit_code"]
                elif "progress" in message:
                    reporter.progress(*message["progress"])
        printed.seek(0)
        last = (printed.read().strip().splitlines() or ["no message"])[-1]
    if error:
        raise (DataError if code == DataError.exit_code else TrainingError)(error)
    if process.returncode:
        raise TrainingError(f"The {recipe.backend} training process ended with status {process.returncode}: {last}")
    for name in ("recipe.yaml", "job.npz"):
        (folder / name).unlink()


class _Lines:
    """A Reporter that writes JSON lines to the parent process."""

    def stage(self, title: str) -> None: ...

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def progress(self, done: int, total: int, text: str) -> None:
        print(json.dumps({"progress": [done, total, text]}), flush=True)


def worker(role: Role, folder: Path, fingerprint: str) -> int:
    """The body of `python -m edgekit.training`: train as the parent asked, in its folder. Returns the exit status."""
    from edgekit import data, recipe

    try:
        loaded = recipe.load(folder / "recipe.yaml")
        dataset = data.load_section(loaded.data, loaded.seed)
        if dataset.fingerprint != fingerprint:
            raise TrainingError(f"The data of {loaded.data.spec} changed while the build ran; start it again.")
        with np.load(folder / "job.npz", allow_pickle=False) as file:
            job = Job(**{name: file[name] if file[name].ndim else file[name].item() for name in file.files})
        train(role, loaded, dataset, job, folder, _Lines())
    except EdgekitError as error:
        print(json.dumps({"error": str(error), "exit_code": error.exit_code}), flush=True)
        return error.exit_code
    return 0
