"""Training in a separate process: a process has only one Keras backend, and this one may need TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import errors
from edgekit.errors import EdgekitError, TrainingError
from edgekit.recipe import Recipe
from edgekit.types import Dataset, Reporter


def run(
    role: str,
    recipe: Recipe,
    dataset: Dataset,
    fields: Mapping[str, Any],
    folder: Path,
    reporter: Reporter,
    *,
    deterministic: bool,
) -> None:
    """Train `role` on the job of `fields`, like `training.stage.run`; `deterministic`: on a GPU as well.

    Raises:
        EdgekitError: the error that the process reported, with its class. TrainingError: the process failed.
    """
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    np.savez(folder / "job.npz", **{name: value for name, value in fields.items() if value is not None})
    command = [sys.executable, "-m", "edgekit.training", role, str(folder), dataset.fingerprint]
    flags = os.environ.get("XLA_FLAGS", "") + (" --xla_gpu_deterministic_ops=true" if deterministic else "")
    failed: EdgekitError | None = None
    # Library output there is noise, unless the process fails.
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
                    continue  # a line printed by some library
                if "error" in message:
                    failed = of_kind(message["kind"], message["error"])
                elif "note" in message:
                    reporter.note(message["note"])
                elif "warn" in message:
                    reporter.warn(message["warn"])
                elif "progress" in message:
                    reporter.progress(*message["progress"])
        printed.seek(0)
        last = (printed.read().strip().splitlines() or ["no message"])[-1]
    if failed:
        raise failed
    if process.returncode:
        raise TrainingError(f"The {recipe.backend} training process ended with status {process.returncode}: {last}")
    for name in ("recipe.yaml", "job.npz"):
        (folder / name).unlink()


def of_kind(kind: str, message: str) -> EdgekitError:
    """The error of class `kind` of edgekit.errors with the complete `message`, which some classes would otherwise rebuild."""
    error_type = getattr(errors, kind, TrainingError)
    if not (isinstance(error_type, type) and issubclass(error_type, EdgekitError)):
        error_type = TrainingError
    error: EdgekitError = error_type.__new__(error_type, message)
    return error


class Lines:
    """A Reporter that writes JSON lines to the parent process."""

    def stage(self, title: str) -> None: ...

    def note(self, text: str) -> None:
        print(json.dumps({"note": text}), flush=True)

    def warn(self, text: str) -> None:
        print(json.dumps({"warn": text}), flush=True)

    def progress(self, done: int, total: int, text: str) -> None:
        print(json.dumps({"progress": [done, total, text]}), flush=True)

    def failed(self, error: EdgekitError) -> None:
        """Report the error that ended the process."""
        print(json.dumps({"error": str(error), "kind": type(error).__name__}), flush=True)
