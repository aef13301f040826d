"""The training stages as a build runs them: teacher with its signals, and student; each fills a folder.

`run` works in this process on the TensorFlow backend, and in a process of its own on any other (a process has one Keras
backend), which `python -m edgekit.training` is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
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

Role = Literal["teacher", "student"]
FILES: Mapping[Role, str] = {"teacher": "teacher.keras", "student": "student_float.keras"}


def key(recipe: Recipe, dataset: Dataset, *sections: BaseModel) -> dict[str, Any]:
    """Everything that decides what a training stage comes to, for the stage cache."""
    return {
        "data": dataset.fingerprint,
        "mirrored": dataset.input.mirrored,
        "seed": recipe.seed,
        "deterministic": recipe.deterministic,
        "backend": framework_versions(recipe.backend),
        "sections": [section.model_dump(mode="json") for section in sections],
        "code": code_digest("training", "students", "backend.py", "data/pixels.py"),
    }


def run(role: Role, recipe: Recipe, dataset: Dataset, kept: NDArray[np.str_], folder: Path, reporter: Reporter) -> None:
    """Train `role` on the training samples whose ids are in `kept`; leaves FILES[role] and training.json in `folder`.

    The teacher also leaves signals.npz, on all training samples.

    Raises:
        TrainingError: training diverged, or the backend's process failed.
    """
    if recipe.backend == "tensorflow":
        train(role, recipe, dataset, kept, folder, reporter)
    else:
        _in_own_process(role, recipe, dataset, kept, folder, reporter)


def train(
    role: Role, recipe: Recipe, dataset: Dataset, kept: NDArray[np.str_], folder: Path, reporter: Reporter
) -> None:
    """Do the work of `run` in this process."""
    keras = backend.load(recipe.backend)
    # The teacher always: what it removes must be the same after a kill, and selections are compared by digest.
    backend.seed(keras, recipe.seed, deterministic=recipe.deterministic or role == "teacher")
    section = recipe.teacher if role == "teacher" else recipe.training
    name = recipe.teacher.name if isinstance(section, TeacherSection) else recipe.student.name
    table = "teachers" if role == "teacher" else "students"
    model = students.build(table, name, keras, dataset.input.shape, len(dataset.classes))
    start = time.perf_counter()
    history = fit(
        keras,
        model,
        take(dataset.train, np.flatnonzero(np.isin(dataset.train.ids, kept))),
        dataset.val,
        section,
        full=len(dataset.train),
        seed=recipe.seed,
        augment=resolve(section.augment, mirrored=dataset.input.mirrored),
        reporter=reporter,
    )
    seconds = time.perf_counter() - start
    model.save(folder / FILES[role])
    steps = len(history["loss"]) * steps_per_epoch(section, len(kept), len(dataset.train))
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
    if role == "teacher":
        signals.save(folder / "signals.npz", dataset.train, signals.probabilities(model, dataset.train.x))


def trained(folder: Path, path: Path, selection_sha256: str) -> TrainedModel:
    """The TrainedModel of a stage's `folder`, whose .keras file is kept at `path`."""
    facts = json.loads((folder / "training.json").read_text())
    return TrainedModel(path=path, sparsity=0.0, selection_sha256=selection_sha256, **facts)


def _in_own_process(
    role: Role, recipe: Recipe, dataset: Dataset, kept: NDArray[np.str_], folder: Path, reporter: Reporter
) -> None:
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    np.save(folder / "kept.npy", kept)
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
    for name in ("recipe.yaml", "kept.npy"):
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
        dataset = data.load(loaded.data.spec, val_fraction=loaded.data.val_fraction, seed=loaded.seed)
        if dataset.fingerprint != fingerprint:
            raise TrainingError(f"The data of {loaded.data.spec} changed while the build ran; start it again.")
        train(role, loaded, dataset, np.load(folder / "kept.npy", allow_pickle=False), folder, _Lines())
    except EdgekitError as error:
        print(json.dumps({"error": str(error), "exit_code": error.exit_code}), flush=True)
        return error.exit_code
    return 0
