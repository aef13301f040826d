"""The one training loop, for teacher and student, on every backend.

Work is counted in optimizer steps: `plan` gives a curated arm as many as the uncurated one, so arms stay comparable.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import backend
from edgekit.data.ahead import Ahead
from edgekit.data.images import LazyImages
from edgekit.data.pixels import to_float
from edgekit.errors import DataError, TrainingError
from edgekit.recipe import TrainingSection
from edgekit.training import optimize
from edgekit.training.augment import Augmentation
from edgekit.training.averaging import Mean, refresh_batch_norm
from edgekit.training.batches import Opinion, Views, augmented, batch_indices, target_rows
from edgekit.training.budget import epochs_of_round
from edgekit.training.checkpoint import Checkpoint
from edgekit.types import FrontEnd, Reporter, Split

_MOST_STEPS_AT_ONCE = 16
# Enough for stable statistics; their error falls with the root of the number of samples.
_REFRESH_SAMPLES, _REFRESH_BATCHES = 10_000, 16


def steps_per_epoch(section: TrainingSection, kept: int, full: int) -> int:
    """Steps of one epoch for `kept` of `full` samples: the full set's under match "steps", the kept set's under "epochs"."""
    return math.ceil((full if section.match == "steps" else kept) / section.batch_size)


def fit(
    keras: Any,
    model: Any,
    train: Split,
    val: Split,
    section: TrainingSection,
    *,
    full: int,
    seed: int,
    augment: str,
    reporter: Reporter,
    front_end: FrontEnd | None = None,
    weights: NDArray[np.float32] | None = None,
    after_epoch: Callable[[int], None] | None = None,
    opinion: Opinion | None = None,
    checkpoint: Checkpoint | None = None,
    epochs_before: int = 0,
) -> Mapping[str, list[float]]:
    """Train `model` in place and return its history, one value per round: an epoch, or several where an epoch is a few steps.

    Args:
        model: ends in a layer "logits" and a Softmax; the loss is taken from the logits.
        train: the samples to train on, of the `full` before curation.
        augment: a concrete name of `augment.Augmentation`. front_end: what made the features, for "audio".
        weights: (n,) weight of each training sample's loss, mean 1; None = all equal.
        after_epoch: called with the round's number (from 0) when it is over; `model` then holds its weights.
        opinion: what a teacher says about views of `train`, to learn from as well.
        checkpoint: where to go on from and to leave checkpoints every `section.checkpoint` epochs; not with `after_epoch`.
        epochs_before: of an earlier phase of this training, whose batches and views are not to be seen again in the same order.

    Returns:
        epoch (how many are over), loss, accuracy, val_loss, val_accuracy, learning_rate, seconds (training and validation). Where
        weights are averaged (ema, swa) or batch normalization is renewed in the end, the last val_loss and val_accuracy are those
        of what `model` then holds.

    Raises:
        TrainingError: the loss is not finite.
    """
    per_epoch = steps_per_epoch(section, len(train), full)
    total = per_epoch * section.epochs
    length = epochs_of_round(per_epoch, section.epochs)
    rounds, per_round = section.epochs // length, per_epoch * length
    classes = model.output.shape[-1]
    rows = section.label_smoothing > 0 or section.mixup > 0 or opinion is not None
    soft = None if opinion is None else (opinion.alpha, opinion.temperature)
    averaged = math.ceil(section.swa * rounds)
    rate = optimize.schedule(keras, section, total, averaged * per_round)
    logits = keras.Model(model.input, model.get_layer("logits").output)
    logits.compile(
        optimizer=optimize.optimizer(keras, section, rate),
        loss=optimize.loss(keras, section, rows=rows, soft=soft),
        metrics=[optimize.accuracy(keras, rows=rows)],
        steps_per_execution=1 if backend.mirrored(keras) else _divisor(per_round, _MOST_STEPS_AT_ONCE),
        jit_compile=backend.compiles(keras, section.xla),
    )
    logits.optimizer.build(logits.trainable_variables)
    begun, known, mean = checkpoint.load(logits) if checkpoint else (0, {}, Mean())
    watch = _watch(keras, reporter, per_round, rounds, length, epochs_before, rate, known)
    every = math.ceil(section.checkpoint / length)

    def over(number: int, logs: Any) -> None:
        if number >= rounds - averaged:
            mean.add(logits)
        if after_epoch is not None:
            after_epoch(number)
        if checkpoint and every and (number + 1) % every == 0 and number + 1 < rounds:
            checkpoint.save(logits, number + 1, watch.history, mean)

    callbacks = [watch, keras.callbacks.LambdaCallback(on_epoch_end=over)]
    targets = target_rows(train.y, classes, rows=rows, soft=soft is not None)
    before = epochs_before * per_epoch
    indices = batch_indices(len(train), section.batch_size, before + total, seed)
    first = before + begun * per_round
    example: tuple[NDArray[Any], ...] = (to_float(train.x[:1]), targets[:1])
    if weights is not None:
        example = (*example, weights[:1])
    augmentation = Augmentation(name=augment, cutout=section.cutout, front_end=front_end)
    views = Views(augmentation, len(train), train.x.shape[1:], seed, opinion)
    val_targets = target_rows(val.y, classes, rows=rows, soft=soft is not None)
    val_batch = min(500, len(val))
    with Ahead(train.x, indices[first:]) as images:
        batches = augmented(
            images, targets, indices, views, samples=len(train), first=first, opinion=opinion, mixup=section.mixup,
            seed=seed, weights=weights,
        )  # fmt: skip
        validation = _validation(keras, val, val_targets, val_batch, images)
        size = None if _in_its_own_batches(keras, val) else val_batch
        logits.fit(
            backend.stream(keras, batches, example, section.batch_size),
            initial_epoch=begun,
            epochs=rounds,
            steps_per_epoch=per_round,
            validation_data=validation,
            validation_batch_size=size,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
        history: dict[str, list[float]] = watch.history
        if section.ema or section.swa or section.batch_norm == "renewed":
            if section.swa:
                mean.assign(logits)
            elif section.ema:
                logits.optimizer.finalize_variable_values(logits.trainable_variables)
            refresh_batch_norm(keras, logits, _plain_batches(train, indices))
            found = logits.evaluate(*_arguments(validation), batch_size=size, verbose=0, return_dict=True)
            for name in ("loss", "accuracy"):
                history[f"val_{name}"][-1] = float(found[name])
    return history


def _plain_batches(train: Split, indices: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    """The last batches of training again, as they are, without augmentation."""
    count = max(_REFRESH_BATCHES, math.ceil(min(len(train), _REFRESH_SAMPLES) / indices.shape[1]))
    for index in indices[-count:]:
        yield to_float(train.x[index])


def _arguments(validation: Any) -> tuple[Any, ...]:
    return validation if isinstance(validation, tuple) else (validation,)


def _in_its_own_batches(keras: Any, val: Split) -> bool:
    return keras.backend.backend() == "tensorflow" or isinstance(val.x, LazyImages)


def _validation(keras: Any, val: Split, targets: NDArray[Any], size: int, images: Ahead) -> Any:
    if not isinstance(val.x, LazyImages):
        return backend.in_batches(keras, to_float(val.x[:]), targets, size)

    def read(i: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
        part = slice(i * size, (i + 1) * size)
        try:
            return to_float(val.x[part]), targets[part]
        except DataError as error:
            images.fail(error)
            raise

    return backend.batches_of(keras, read, math.ceil(len(val) / size))


def _divisor(number: int, most: int) -> int:
    return next(d for d in range(most, 0, -1) if number % d == 0)


def _watch(
    keras: Any,
    reporter: Reporter,
    steps: int,
    rounds: int,
    length: int,
    before: int,
    schedule: Any,
    known: dict[str, list[float]],
) -> Any:
    class Watch(keras.callbacks.Callback):  # type: ignore[misc]  # the base class is known at run time only
        """Tells the reporter how far training is, keeps the history, and stops training when the loss is lost."""

        def __init__(self) -> None:
            super().__init__()
            self.round, self.text = 0, "steps"
            self.history: dict[str, list[float]] = {name: list(values) for name, values in known.items()}

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.round, self.began = epoch, time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            reporter.progress(self.round * steps + batch + 1, steps * rounds, self.text)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if not np.isfinite(logs["loss"]):
                raise TrainingError(
                    f"Training diverged in epoch {before + (epoch + 1) * length}: the loss is {logs['loss']}. Lower "
                    "training.learning_rate, or check the data (`--dry-run` shows both)."
                )
            rate = schedule if isinstance(schedule, float) else float(schedule((epoch + 1) * steps))
            told = {
                "epoch": before + (epoch + 1) * length,
                **logs,
                "learning_rate": rate,
                "seconds": time.perf_counter() - self.began,
            }
            for name, value in told.items():
                self.history.setdefault(name, []).append(float(value))
            self.text = f"steps  loss {logs['loss']:.3f}  val accuracy {logs['val_accuracy']:.4f}"
            reporter.progress((epoch + 1) * steps, steps * rounds, self.text)

    return Watch()
