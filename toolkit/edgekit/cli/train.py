"""edgekit train: a build that stops after training the student."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.cli import options as o
from edgekit.cli import running
from edgekit.cli.signature import taking

_NOT_YET = ("data.cv", "control", "curation.repeats")
KEYS = tuple(key for key in o.keys(o.DATA, o.CURATION, o.TRAINING, o.RUN) if key not in _NOT_YET)


@taking(*KEYS)
def train(values: Mapping[str, Any], run: o.RunOptions) -> None:
    """Only select the training samples and train the student.

    It needs no TensorFlow with --backend jax. `edgekit build --resume` continues the run.
    """
    running.run("train", values, run)
