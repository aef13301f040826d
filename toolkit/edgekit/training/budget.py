"""How long networks are trained, and in which steps: the one place that resolves "auto" to numbers.

What counts is the number of optimizer steps. 24 passes over 10,000 images are 1,700 steps of 128; over 60 images they are 24,
after which even the moving averages of batch normalization are near their initial values. So below LARGE_TRAIN samples the number
of steps is kept and the number of passes grows. For measurements and alternatives, see docs/small-data.md and
docs/decisions/0012-steps.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.sizes import LARGE_TRAIN
from edgekit.evidence.by_class import UNEVEN, imbalance
from edgekit.recipe import Recipe, TrainingSection
from edgekit.types import InputSpec

_LARGE_BATCH, _SMALL_BATCH = 128, 32
_RETRIES = 2
_FEWEST_STEPS, _FEWEST_ROUNDS = 32, 12  # per round, per training run


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How long a network is trained: `epochs`, but at least `steps`, plus `per_class` for each class, at most `most`."""

    epochs: int
    steps: int
    per_class: int = 0
    most: int = 3_600

    def epochs_of(self, samples: int, classes: int, batch: int) -> int:
        """Passes over `samples` in steps of `batch`: `epochs`, or as many as have enough steps, in whole rounds."""
        per_epoch = math.ceil(samples / batch)
        least = min(self.most, self.steps + self.per_class * classes)
        if samples >= LARGE_TRAIN or per_epoch * self.epochs >= least:
            return self.epochs
        length = math.ceil(_FEWEST_STEPS / per_epoch)
        return length * math.ceil(least / per_epoch / length)


STUDENT = Length(epochs=24, steps=1_000, per_class=80)
TEACHER = Length(epochs=8, steps=600, per_class=20)
IQR_STUDY_TEACHER = Length(epochs=10, steps=900)
TUNING = Length(epochs=4, steps=240)


def sized(recipe: Recipe, counts: NDArray[np.int64], spec: InputSpec, *, retries: bool = True) -> Recipe:
    """`recipe` with each "auto" that controls training replaced by a value derived from the data.

    Args:
        counts: (K,) training samples of each class, before curation: all arms of a comparison get the same steps.
        spec: describes the samples, which determines their augmentation.
        retries: repeat training runs of "auto" length that did not learn; False where arms must stay comparable.
    """
    samples, classes = int(counts.sum()), len(counts)
    few = samples < LARGE_TRAIN
    varied = few and spec.front_end is None
    auto: dict[str, str] = {
        "batch_norm": "renewed" if few else "moving",
        "class_weights": "balanced" if imbalance(counts) >= UNEVEN else "none",
    } | ({"augment": "color-flip" if spec.mirrored else "color"} if varied else {})

    def decided(section: TrainingSection, length: Length, again: int) -> TrainingSection:
        batch = section.batch_size or (_SMALL_BATCH if few else _LARGE_BATCH)
        changed: dict[str, Any] = {name: value for name, value in auto.items() if getattr(section, name) == "auto"} | {
            "batch_size": batch
        }
        if not section.epochs:
            changed["epochs"] = length.epochs_of(samples, classes, batch)
            changed["retries"] = max(section.retries, again if retries and few else 0)
        return section.model_copy(update=changed)

    training = decided(recipe.training, STUDENT, _RETRIES)
    teacher = decided(recipe.teacher, IQR_STUDY_TEACHER if recipe.teacher.name == "cnn32-64" else TEACHER, 1)
    tuned = TUNING.epochs_of(samples, classes, training.batch_size)
    pruning, quantization = recipe.pruning, recipe.quantization
    if not pruning.epochs:
        pruning = pruning.model_copy(update={"epochs": tuned})
    if not quantization.qat_epochs and quantization.trained:
        quantization = quantization.model_copy(update={"qat_epochs": tuned})
    return recipe.model_copy(
        update={"training": training, "teacher": teacher, "pruning": pruning, "quantization": quantization}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """A training in `count` rounds of `epochs` epochs, each of `per_epoch` steps; the network is evaluated after each round.

    averaged: the last rounds, whose weights `swa` averages. epochs_before: epochs of an earlier phase of this training.
    """

    count: int
    epochs: int
    per_epoch: int
    averaged: int = 0
    epochs_before: int = 0

    @property
    def steps(self) -> int:
        """Steps of one round."""
        return self.per_epoch * self.epochs

    @property
    def total_steps(self) -> int:
        """Steps of all rounds, without those of an earlier phase."""
        return self.steps * self.count

    @property
    def steps_before(self) -> int:
        """Steps of the earlier phase."""
        return self.per_epoch * self.epochs_before


def rounds_of(section: TrainingSection, per_epoch: int, epochs_before: int = 0) -> Rounds:
    """The rounds of a training of `section.epochs` epochs of `per_epoch` steps."""
    epochs = epochs_of_round(per_epoch, section.epochs)
    count = section.epochs // epochs
    return Rounds(
        count=count,
        epochs=epochs,
        per_epoch=per_epoch,
        averaged=math.ceil(section.swa * count),
        epochs_before=epochs_before,
    )


def epochs_of_round(per_epoch: int, epochs: int) -> int:
    """Epochs between two evaluations on val: 1, or if an epoch is only a few steps, a divisor of `epochs`.

    An evaluation costs as much as dozens of steps of a small network. At least 12 rounds remain for the learning curve.
    """
    divisors = [d for d in range(1, max(1, epochs // _FEWEST_ROUNDS) + 1) if epochs % d == 0]
    return next((d for d in divisors if d * per_epoch >= _FEWEST_STEPS), divisors[-1])
