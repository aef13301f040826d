"""The one training loop, for teacher and student, on every backend.

Training is measured in optimizer steps: `plan` gives a curated arm as many as the uncurated one, so arms stay comparable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.ahead import Ahead
from edgekit.data.images import LazyImages
from edgekit.data.pixels import to_float
from edgekit.data.splits import take
from edgekit.errors import DataError
from edgekit.frameworks import backend
from edgekit.recipe import TrainingSection
from edgekit.training import optimize
from edgekit.training.augment import Augmentation
from edgekit.training.averaging import Mean, refresh_batch_norm
from edgekit.training.batches import Samples, Views, augmented, batch_indices, target_rows
from edgekit.training.budget import rounds_of
from edgekit.training.checkpoint import Checkpoint
from edgekit.training.watch import round_ends, watch
from edgekit.types import Reporter, Split

_MOST_STEPS_AT_ONCE = 16
# Enough for stable statistics; their error falls with the square root of the number of samples.
_REFRESH_SAMPLES, _REFRESH_BATCHES = 10_000, 16


def steps_per_epoch(section: TrainingSection, kept: int, full: int) -> int:
    """Steps per epoch for `kept` of `full` samples: those of the full set with match "steps", of the kept set with "epochs"."""
    return math.ceil((full if section.match == "steps" else kept) / section.batch_size)


def fit(
    keras: Any,
    model: Any,
    samples: Samples,
    section: TrainingSection,
    *,
    augmentation: Augmentation,
    seed: int,
    reporter: Reporter,
    after_epoch: Callable[[int], None] | None = None,
    checkpoint: Checkpoint | None = None,
    epochs_before: int = 0,
) -> Mapping[str, list[float]]:
    """Train `model` in place and return its history, one value per round: one epoch, or several if an epoch is only a few steps.

    Args:
        model: ends in a layer "logits" and a Softmax; the loss is computed on the logits.
        augmentation: how samples vary from epoch to epoch; for "audio" with the front end that computed the features.
        after_epoch: called with the round's number (from 0) at its end; `model` then has the round's weights.
        checkpoint: where to resume from and where to save checkpoints every `section.checkpoint` epochs; not with `after_epoch`.
        epochs_before: epochs of an earlier phase of this training, whose order of batches and views must not repeat.

    Returns:
        epoch (epochs completed), loss, accuracy, val_loss, val_accuracy, learning_rate, seconds (training and validation). If
        weights are averaged (ema, swa) or batch normalization is refreshed at the end, the last val_loss and val_accuracy are
        those of the final `model`.

    Raises:
        TrainingError: the loss is not finite.
    """
    train = samples.train
    rounds = rounds_of(section, steps_per_epoch(section, len(train), samples.full), epochs_before)
    rate = optimize.schedule(keras, section, rounds.total_steps, rounds.averaged * rounds.steps)
    network = _compiled(keras, model, samples, section, rate, rounds.steps)
    begun, known, mean = checkpoint.load(network) if checkpoint else (0, {}, Mean())
    watcher = watch(keras, reporter, rounds, rate, known)
    history: dict[str, list[float]] = watcher.history
    ended = round_ends(
        rounds, network, mean, history, after_epoch=after_epoch, checkpoint=checkpoint, every=section.checkpoint
    )
    indices = batch_indices(len(train), section.batch_size, rounds.steps_before + rounds.total_steps, seed)
    first = rounds.steps_before + begun * rounds.steps
    with Ahead(train.x, indices[first:]) as images:
        validation, size = _validation(keras, samples, _targets(network, samples.val, samples, section), images)
        network.fit(
            _stream(keras, network, images, indices, first, samples, section, augmentation, seed),
            initial_epoch=begun,
            epochs=rounds.count,
            steps_per_epoch=rounds.steps,
            validation_data=validation,
            validation_batch_size=size,
            callbacks=[watcher, keras.callbacks.LambdaCallback(on_epoch_end=ended)],
            shuffle=False,
            verbose=0,
        )
        if section.ema or section.swa or section.batch_norm == "renewed":
            _take_averages(keras, network, section, mean, _plain_batches(train, indices))
            for name, value in _evaluated(network, validation, size).items():
                history[name][-1] = value
    return history


def _compiled(keras: Any, model: Any, samples: Samples, section: TrainingSection, rate: Any, steps: int) -> Any:
    """`model` without its Softmax, ready to be trained, its optimizer built; steps: of a round."""
    soft_labels, rows = samples.soft_labels, _in_rows(samples, section)
    soft = None if soft_labels is None else (soft_labels.alpha, soft_labels.temperature)
    network = keras.Model(model.input, model.get_layer("logits").output)
    network.compile(
        optimizer=optimize.optimizer(keras, section, rate),
        loss=optimize.loss(keras, section, rows=rows, soft=soft),
        metrics=[optimize.accuracy(keras, rows=rows)],
        steps_per_execution=1 if backend.mirrored(keras) else _divisor(steps, _MOST_STEPS_AT_ONCE),
        jit_compile=backend.compiles(keras, section.xla),
    )
    network.optimizer.build(network.trainable_variables)
    _build_metrics(keras, network, _targets(network, take(samples.train, np.arange(1)), samples, section))
    return network


def _build_metrics(keras: Any, network: Any, targets: NDArray[Any]) -> None:
    """Make the variables of loss and metrics now; made in the first step, they would have TensorFlow trace it twice."""
    x, outputs = (keras.ops.zeros((1, *tensor.shape[1:])) for tensor in (network.input, network.output))
    network.compute_loss(x, targets, outputs)
    network.compute_metrics(x, targets, outputs)
    network.reset_metrics()


def _in_rows(samples: Samples, section: TrainingSection) -> bool:
    """Whether the loss takes a row for each sample's label, since it is not of one class alone."""
    return section.label_smoothing > 0 or section.mixup > 0 or samples.soft_labels is not None


def _targets(network: Any, split: Split, samples: Samples, section: TrainingSection) -> NDArray[Any]:
    """The labels of `split` as the loss takes them, (N,) or rows."""
    classes, soft = network.output.shape[-1], samples.soft_labels is not None
    return target_rows(split.y, classes, rows=_in_rows(samples, section), soft=soft)


def _stream(
    keras: Any,
    network: Any,
    images: Ahead,
    indices: NDArray[np.int64],
    first: int,
    samples: Samples,
    section: TrainingSection,
    augmentation: Augmentation,
    seed: int,
) -> Any:
    """What Keras trains on: the batches `indices` from number `first` on, augmented. images: those of these batches, in order."""
    train, weights, soft_labels = samples.train, samples.weights, samples.soft_labels
    targets = _targets(network, train, samples, section)
    example: tuple[NDArray[Any], ...] = (to_float(train.x[:1]), targets[:1])
    if weights is not None:
        example = (*example, weights[:1])
    views = Views(augmentation, len(train), train.x.shape[1:], seed, soft_labels)
    batches = augmented(
        images, targets, indices, views, samples=len(train), first=first, soft_labels=soft_labels, mixup=section.mixup, seed=seed,
        weights=weights,
    )  # fmt: skip
    return backend.stream(keras, batches, example, section.batch_size)


def _take_averages(
    keras: Any, network: Any, section: TrainingSection, mean: Mean, batches: Iterator[NDArray[np.float32]]
) -> None:
    """Give `network` its averaged weights, if the section averages them, and the batch normalization statistics of `batches`."""
    if section.swa:
        mean.assign(network)
    elif section.ema:
        network.optimizer.finalize_variable_values(network.trainable_variables)
    refresh_batch_norm(keras, network, batches)


def _plain_batches(train: Split, indices: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    """The last batches of training again, without augmentation."""
    count = max(_REFRESH_BATCHES, math.ceil(min(len(train), _REFRESH_SAMPLES) / indices.shape[1]))
    for index in indices[-count:]:
        yield to_float(train.x[index])


def _evaluated(network: Any, validation: Any, size: int | None) -> dict[str, float]:
    """val_loss and val_accuracy; the arguments are those that `_validation` returns."""
    arguments = validation if isinstance(validation, tuple) else (validation,)
    values = network.evaluate(*arguments, batch_size=size, verbose=0, return_dict=True)
    return {f"val_{name}": float(values[name]) for name in ("loss", "accuracy")}


def _validation(keras: Any, samples: Samples, targets: NDArray[Any], images: Ahead) -> tuple[Any, int | None]:
    """What Keras validates on, and its batch size, None if the data come in batches. images: told when reading fails."""
    val = samples.val
    size = min(500, len(val))
    own = None if keras.backend.backend() == "tensorflow" or isinstance(val.x, LazyImages) else size
    if not isinstance(val.x, LazyImages):
        return backend.in_batches(keras, to_float(val.x[:]), targets, size), own

    def read(i: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
        part = slice(i * size, (i + 1) * size)
        try:
            return to_float(val.x[part]), targets[part]
        except DataError as error:
            images.fail(error)
            raise

    return backend.batches_of(keras, read, math.ceil(len(val) / size)), own


def _divisor(number: int, most: int) -> int:
    return next(d for d in range(most, 0, -1) if number % d == 0)
