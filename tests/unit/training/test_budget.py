"""The length of trainings: steps for small sets, today's epochs for large ones."""

import math

import numpy as np
import pytest

from edgekit import recipe
from edgekit.data.sizes import LARGE_TRAIN
from edgekit.training.budget import STUDENT, epochs_of_round, sized
from edgekit.types import FrontEnd, InputSpec

GRAY = InputSpec(shape=(28, 28, 1))


def of(samples, classes=2, *settings, ratio=1, spec=GRAY, **values):
    counts = np.full(classes, samples // classes)
    counts[0] *= ratio
    return sized(recipe.load(settings=settings), counts, spec, **values)


def test_a_large_set_is_trained_as_it_always_was():
    made = of(9_000, 10, "curation.method=iqr")
    training, teacher = made.training, made.teacher
    assert (training.epochs, training.batch_size, training.retries, training.augment) == (24, 128, 0, "auto")
    assert (training.batch_norm, training.class_weights) == ("moving", "none")
    assert (teacher.name, teacher.epochs, teacher.batch_size, teacher.batch_norm) == ("cnn32-64", 10, 32, "moving")
    assert made.pruning.epochs == 4
    assert of(60_000, 10, "curation.method=auto").teacher.epochs == 8


def test_sixty_samples_get_steps_by_hand():
    made = of(60).training
    # 1,000 + 2 x 80 steps, 2 an epoch: 580 epochs, in rounds of 16 (32 steps) 592.
    assert (made.epochs, made.batch_size, made.retries) == (592, 32, 2)
    assert (made.augment, made.batch_norm) == ("color", "renewed")


@pytest.mark.parametrize("classes", [2, 10, 60])
def test_steps_do_not_fall_where_samples_grow(classes):
    sizes = [60, 120, 200, 500, 1_000, 2_000, 5_000, LARGE_TRAIN - classes]
    seen = [STUDENT.epochs_of(n, classes, 32) * min(n, 32 * math.ceil(n / 32)) for n in sizes]
    steps = [STUDENT.epochs_of(n, classes, 32) * math.ceil(n / 32) for n in sizes]
    assert min(steps) >= min(3_600, 1_000 + 80 * classes)
    assert steps[-1] == max(steps) and seen[-1] == max(seen)
    assert max(steps[:4]) < 1.25 * min(steps[:4]) + 800  # the rounding to rounds is all that they differ in


def test_what_is_given_stays_what_it_says():
    made = of(60, 2, "training.epochs=7", "training.batch_size=9", "training.augment=none", "training.class_weights=none",
              "teacher.epochs=3", "pruning={sparsity: 0.5, epochs: 2}", ratio=30)  # fmt: skip
    training = made.training
    assert (training.epochs, training.batch_size, training.retries, training.augment) == (7, 9, 0, "none")
    assert (training.class_weights, made.teacher.epochs, made.teacher.retries, made.pruning.epochs) == ("none", 3, 0, 2)


def test_classes_are_weighed_from_three_to_one_on():
    assert of(200, 2, ratio=2).training.class_weights == "none"
    assert of(200, 2, ratio=3).training.class_weights == "balanced"
    assert of(40_000, 2, ratio=3).training.class_weights == "balanced"


def test_a_decided_recipe_is_written_and_read_as_it_is_and_stays():
    made = of(300, 10, "quantization.precision=int8-qat", "curation.method=auto")
    again = recipe.from_yaml(made.to_yaml())
    assert again == made and sized(again, np.full(10, 30), GRAY) == made
    assert made.quantization.qat_epochs > 4


def test_an_undecided_recipe_says_auto():
    text = recipe.Recipe().to_yaml()
    assert "epochs: auto" in text and "batch_size: auto" in text and recipe.from_yaml(text) == recipe.Recipe()
    assert of(300).quantization.qat_epochs == 0  # an int8 file is not trained again


def test_arms_that_must_stay_equal_are_not_trained_anew():
    assert of(60, 2, retries=False).training.retries == 0


def test_sound_keeps_its_own_augmentation():
    front_end = FrontEnd(kind="log-mel", sample_rate=8000, clip_s=1.0, fft_length=256, f_max=4000)
    assert of(200, spec=InputSpec(shape=(98, 40, 1), front_end=front_end)).training.augment == "auto"


@pytest.mark.parametrize(
    ("per_epoch", "epochs", "length"),
    [(71, 24, 1), (8, 24, 2), (1, 24, 2), (2, 600, 20), (2, 7, 1), (1, 600, 40), (16, 101, 1)],
)
def test_rounds_are_whole_epochs_and_twelve_are_left(per_epoch, epochs, length):
    assert epochs_of_round(per_epoch, epochs) == length
    assert epochs % length == 0
