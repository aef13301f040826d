"""The one training loop, for teacher and student, on every backend.

Work is counted in optimizer steps: `plan` gives a curated arm as many as the uncurated one, so arms stay comparable.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import backend
from edgekit.data.ahead import Ahead
from edgekit.data.images import LazyImages
from edgekit.data.pixels import to_float
from edgekit.errors import DataError, TrainingError
from edgekit.recipe import TrainingSection
from edgekit.training.augment import Augment, augmentation
from edgekit.types import Reporter, Split

_MOST_STEPS_AT_ONCE = 16


def steps_per_epoch(section: TrainingSection, kept: int, full: int) -> int:
    """Steps of one epoch for `kept` of `full` samples: the full set's under match "steps", the kept set's under "epochs"."""
    return math.ceil((full if section.match == "steps" else kept) / section.batch_size)


def batch_indices(samples: int, batch_size: int, batches: int, seed: int) -> NDArray[np.int64]:
    """(batches, batch_size) sample indices: permutation after permutation, so that each sample is equally often seen."""
    rng = np.random.default_rng(seed)
    rounds = math.ceil(batches * batch_size / samples)
    order = np.concatenate([rng.permutation(samples) for _ in range(rounds)])
    return order[: batches * batch_size].reshape(batches, batch_size)


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
    weights: NDArray[np.float32] | None = None,
    after_epoch: Callable[[int], None] | None = None,
) -> Mapping[str, list[float]]:
    """Train `model` in place and return its history, one value per epoch.

    Args:
        model: ends in a layer "logits" and a Softmax; the loss is taken from the logits.
        train: the samples to train on, of the `full` before curation.
        augment: a concrete name of `augment.augmentation`.
        weights: (n,) weight of each training sample's loss, mean 1; None = all equal.
        after_epoch: called with the epoch's number (from 0) when it is over; `model` then holds its weights.

    Returns:
        loss, accuracy, val_loss, val_accuracy, learning_rate, seconds (training and validation of the epoch).

    Raises:
        TrainingError: the loss is not finite.
    """
    per_epoch = steps_per_epoch(section, len(train), full)
    total = per_epoch * section.epochs
    logits = keras.Model(model.input, model.get_layer("logits").output)
    schedule = _schedule(keras, section, total)
    logits.compile(
        optimizer=_optimizer(keras, section, schedule),
        loss=_loss(keras, section.label_smoothing),
        metrics=["accuracy"],
        steps_per_execution=_divisor(per_epoch, _MOST_STEPS_AT_ONCE),
        # XLA compiles for long and is hardly faster for the student on CPU (benchmarks/training_throughput.py).
        jit_compile=keras.backend.backend() != "tensorflow",
    )
    classes = logits.output.shape[-1]
    smooth = section.label_smoothing > 0
    watch = _watch(keras, reporter, per_epoch, section.epochs, schedule)
    callbacks = [watch]
    if after_epoch is not None:
        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: after_epoch(epoch)))
    indices = batch_indices(len(train), section.batch_size, total, seed)
    example: tuple[NDArray[Any], ...] = (to_float(train.x[:1]), _targets(train.y[:1], classes, smooth))
    if weights is not None:
        example = (*example, weights[:1])
    val_batch = min(500, len(val))
    with Ahead(train.x, indices) as images:
        batches = _batches(images, train.y, indices, augmentation(augment), seed, classes, smooth, weights)
        history = logits.fit(
            backend.stream(keras, batches, example),
            epochs=section.epochs,
            steps_per_epoch=per_epoch,
            validation_data=_validation(keras, val, classes, smooth, val_batch, images),
            validation_batch_size=None if _in_its_own_batches(keras, val) else val_batch,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        ).history
    return {**{key: [float(v) for v in values] for key, values in history.items()}, **watch.extra}


def _targets(labels: NDArray[np.int64], classes: int, one_hot: bool) -> NDArray[Any]:
    """(N,) labels, or (N, K) one-hot rows, which label smoothing needs."""
    return np.eye(classes, dtype=np.float32)[labels] if one_hot else labels


def _batches(
    images: Iterable[NDArray[Any]],
    y: NDArray[np.int64],
    indices: NDArray[np.int64],
    augment: Augment,
    seed: int,
    classes: int,
    smooth: bool,
    weights: NDArray[np.float32] | None,
) -> Iterator[tuple[NDArray[Any], ...]]:
    labels = _targets(y, classes, smooth)
    rng = np.random.default_rng([seed, 1])
    # The images end early when training was broken off and they are closed.
    for x, index in zip(images, indices, strict=False):
        batch = to_float(augment(x, rng)), labels[index]
        yield batch if weights is None else (*batch, weights[index])


def _in_its_own_batches(keras: Any, val: Split) -> bool:
    return keras.backend.backend() == "tensorflow" or isinstance(val.x, LazyImages)


def _validation(keras: Any, val: Split, classes: int, smooth: bool, size: int, images: Ahead) -> Any:
    targets = _targets(val.y, classes, smooth)
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


def _loss(keras: Any, label_smoothing: float) -> Any:
    if label_smoothing > 0:
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _schedule(keras: Any, section: TrainingSection, total: int) -> Any:
    if section.schedule == "constant":
        return section.learning_rate
    warmup = round(section.warmup * total)
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(section.learning_rate, total)
    return keras.optimizers.schedules.CosineDecay(
        section.learning_rate / 20, max(1, total - warmup), warmup_target=section.learning_rate, warmup_steps=warmup
    )


def _optimizer(keras: Any, section: TrainingSection, schedule: Any) -> Any:
    if section.optimizer == "adam":
        return keras.optimizers.Adam(schedule, clipnorm=section.clip_norm)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=section.weight_decay, clipnorm=section.clip_norm)
    # Decay shrinks kernels only: biases and normalization scales carry no capacity (Loshchilov & Hutter, arXiv 1711.05101).
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _divisor(number: int, most: int) -> int:
    return next(d for d in range(most, 0, -1) if number % d == 0)


def _watch(keras: Any, reporter: Reporter, per_epoch: int, epochs: int, schedule: Any) -> Any:
    class Watch(keras.callbacks.Callback):  # type: ignore[misc]  # the base class is known at run time only
        """Tells the reporter how far training is, and stops it when the loss is lost."""

        def __init__(self) -> None:
            super().__init__()
            self.epoch, self.text = 0, ""
            self.extra: dict[str, list[float]] = {"learning_rate": [], "seconds": []}

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch, self.began = epoch, time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            reporter.progress(self.epoch * per_epoch + batch + 1, per_epoch * epochs, self.text)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if not np.isfinite(logs["loss"]):
                raise TrainingError(
                    f"Training diverged in epoch {epoch + 1}: the loss is {logs['loss']}. Lower training.learning_rate, "
                    "or check the data (`--dry-run` shows both)."
                )
            rate = schedule if isinstance(schedule, float) else float(schedule((epoch + 1) * per_epoch))
            self.extra["learning_rate"].append(rate)
            self.extra["seconds"].append(time.perf_counter() - self.began)
            self.text = f"loss {logs['loss']:.3f}  val accuracy {logs['val_accuracy']:.4f}"
            reporter.progress((epoch + 1) * per_epoch, per_epoch * epochs, self.text)

    return Watch()
