"""Training in a process of its own: a process has one Keras backend, and this one may need TensorFlow."""

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

from edgekit.errors import DataError, RecipeError, TrainingError
from edgekit.recipe import Recipe
from edgekit.types import Dataset, Reporter


def run(
    role: str, recipe: Recipe, dataset: Dataset, fields: Mapping[str, Any], folder: Path, reporter: Reporter
) -> None:
    """Train `role` as the job of `fields` says, as `training.stage.run` does.

    Raises:
        DataError, TrainingError: what the process told, or that it failed.
    """
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
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
                elif "note" in message:
                    reporter.note(message["note"])
                elif "warn" in message:
                    reporter.warn(message["warn"])
                elif "progress" in message:
                    reporter.progress(*message["progress"])
        printed.seek(0)
        last = (printed.read().strip().splitlines() or ["no message"])[-1]
    if error:
        kinds = {DataError.exit_code: DataError, RecipeError.exit_code: RecipeError}
        raise kinds.get(code, TrainingError)(error)
    if process.returncode:
        raise TrainingError(f"The {recipe.backend} training process ended with status {process.returncode}: {last}")
    for name in ("recipe.yaml", "job.npz"):
        (folder / name).unlink()


class Lines:
    """A Reporter that writes JSON lines to the parent process."""

    def stage(self, title: str) -> None: ...

    def note(self, text: str) -> None:
        print(json.dumps({"note": text}), flush=True)

    def warn(self, text: str) -> None:
        print(json.dumps({"warn": text}), flush=True)

    def progress(self, done: int, total: int, text: str) -> None:
        print(json.dumps({"progress": [done, total, text]}), flush=True)
