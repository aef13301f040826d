"""How long networks are trained, and in which steps: the one place that turns "auto" into numbers.

A network learns by optimizer steps. 24 passes over 10,000 images are 1,700 steps of 128; over 60 images they are 24, which leave
even the moving averages of batch normalization at their start. So below LARGE_TRAIN samples the steps stay and the passes grow.
What was measured, and what was tried: docs/small-data.md and docs/decisions/0012-steps.md.
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
_FEWEST_STEPS, _FEWEST_ROUNDS = 32, 12  # of a round, of a training


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How long a network is trained: `epochs`, yet at least `steps`, and `per_class` more for each class, `most` in all."""

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
TEACHERS = {"cnn32-64": Length(epochs=10, steps=900), "microresnet": Length(epochs=8, steps=600, per_class=20)}
TUNING = Length(epochs=4, steps=240)


def sized(recipe: Recipe, counts: NDArray[np.int64], spec: InputSpec, *, retries: bool = True) -> Recipe:
    """`recipe` with what the data decide in the place of each "auto" that says how networks are trained.

    Args:
        counts: (K,) training samples of each class, before curation: all arms of a comparison get the same steps.
        spec: what the samples are, which decides how they are varied.
        retries: let trainings whose length was "auto" be done again where they did not learn; False where arms must stay equal.
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
    teacher = decided(recipe.teacher, TEACHERS[recipe.teacher.name], 1)
    tuned = TUNING.epochs_of(samples, classes, training.batch_size)
    pruning, quantization = recipe.pruning, recipe.quantization
    if not pruning.epochs:
        pruning = pruning.model_copy(update={"epochs": tuned})
    if not quantization.qat_epochs and quantization.trained:
        quantization = quantization.model_copy(update={"qat_epochs": tuned})
    return recipe.model_copy(
        update={"training": training, "teacher": teacher, "pruning": pruning, "quantization": quantization}
    )


def epochs_of_round(per_epoch: int, epochs: int) -> int:
    """Epochs between two looks at the validation samples: 1, or where an epoch is a few steps, a divisor of `epochs`.

    A look costs as much as dozens of steps of a small network. At least 12 rounds are left to draw a learning curve from.
    """
    divisors = [d for d in range(1, max(1, epochs // _FEWEST_ROUNDS) + 1) if epochs % d == 0]
    return next((d for d in divisors if d * per_epoch >= _FEWEST_STEPS), divisors[-1])
