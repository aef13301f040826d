"""What happens at the ends of steps and rounds of a training: progress, the history, averages and checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.errors import TrainingError
from edgekit.training.averaging import Mean
from edgekit.training.budget import Rounds
from edgekit.training.checkpoint import Checkpoint
from edgekit.types import Reporter


def watch(keras: Any, reporter: Reporter, rounds: Rounds, schedule: Any, known: dict[str, list[float]]) -> Any:
    """A Keras callback with the `history` of the training, one value per round.

    Args:
        schedule: of the learning rate: a float, or a function of the steps done.
        known: the history of the rounds before, if training resumes.

    Raises:
        TrainingError: while training, when the loss is no longer finite.
    """

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]  # the base class is known at run time only
        """Reports progress, keeps the history, and stops training when the loss is no longer finite."""

        def __init__(self) -> None:
            super().__init__()
            self.round, self.text = 0, "steps"
            self.history: dict[str, list[float]] = {name: list(values) for name, values in known.items()}

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.round, self.began = epoch, time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            reporter.progress(self.round * rounds.steps + batch + 1, rounds.total_steps, self.text)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            epochs = rounds.epochs_before + (epoch + 1) * rounds.epochs
            if not np.isfinite(logs["loss"]):
                raise TrainingError(
                    f"Training diverged in epoch {epochs}: the loss is {logs['loss']}. Lower "
                    "training.learning_rate, or check the data (`--dry-run` shows both)."
                )
            rate = schedule if isinstance(schedule, float) else float(schedule((epoch + 1) * rounds.steps))
            values = {
                "epoch": epochs,
                **logs,
                "learning_rate": rate,
                "seconds": time.perf_counter() - self.began,
            }
            for name, value in values.items():
                self.history.setdefault(name, []).append(float(value))
            self.text = f"steps  loss {logs['loss']:.3f}  val accuracy {logs['val_accuracy']:.4f}"
            reporter.progress((epoch + 1) * rounds.steps, rounds.total_steps, self.text)

    return Watch()


def round_ends(
    rounds: Rounds,
    model: Any,
    mean: Mean,
    history: dict[str, list[float]],
    *,
    after_epoch: Callable[[int], None] | None,
    checkpoint: Checkpoint | None,
    every: int,
) -> Callable[[int, Any], None]:
    """What to call with the number of a round and its logs when it ends: it averages, hands on, and saves.

    Args:
        mean: takes the weights of `model` at the ends of the last `rounds.averaged` rounds.
        history: of the rounds so far, for the checkpoint.
        after_epoch: called with the round's number (from 0).
        every: epochs between two checkpoints, in whole rounds; 0 = none. The last round has none.
    """
    between = math.ceil(every / rounds.epochs)

    def ended(number: int, logs: Any) -> None:
        if number >= rounds.count - rounds.averaged:
            mean.add(model)
        if after_epoch is not None:
            after_epoch(number)
        if checkpoint and between and (number + 1) % between == 0 and number + 1 < rounds.count:
            checkpoint.save(model, number + 1, history, mean)

    return ended
