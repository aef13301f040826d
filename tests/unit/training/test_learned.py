"""Whether a training came to anything."""

import numpy as np

from edgekit.training.learned import judged

HALF = np.arange(100) % 2


def of(losses, right, labels=HALF, val_accuracy=0.9, steps=1000, val_losses=None, **values):
    val_losses, right = losses if val_losses is None else val_losses, np.asarray(right, bool)
    return judged(losses, val_losses, steps, right, labels, val_accuracy=val_accuracy, val_labels=HALF, **values)


def test_a_network_that_knows_its_samples_has_learned_however_fast_its_loss_falls():
    found = of([1.0, 0.5, 0.02, 0.01] * 2, np.ones(100))
    assert found == {"train_accuracy": 1.0, "val_accuracy": 0.9, "majority": 0.5, "reasons": []}


def test_guessing_is_not_learning():
    assert "guessing gets 50.0%" in of([0.7] * 8, np.arange(100) % 4 < 2)["reasons"][0]


def test_the_large_class_alone_is_not_learning():
    labels = np.repeat([0, 1], [95, 5])
    found = of([0.2] * 8, labels == 0, labels, val_accuracy=0.95)
    assert found["train_accuracy"] == 0.5 and "guessing" in found["reasons"][0]


def test_a_loss_that_still_falls_is_reported_with_its_fall():
    right = np.arange(100) < 80
    falling = [2.0, 2.0, 1.8, 1.8, 1.6, 1.6, 1.2, 1.2]
    assert "by 25% over the last quarter" in of(falling, right)["reasons"][0]
    assert not of([2.0, 2.0, 1.8, 1.8, 1.6, 1.6, 1.58, 1.58], right)["reasons"]


def test_where_validation_no_longer_falls_more_steps_would_only_memorize():
    right, falling = np.arange(100) < 80, [2.0, 2.0, 1.8, 1.8, 1.6, 1.6, 1.2, 1.2]
    assert of(falling, right, val_losses=[2.0, 2.0, 1.8, 1.8, 1.7, 1.7, 1.66, 1.66])["reasons"] == []
    assert of(falling, right, val_losses=[2.0, 2.0, 1.8, 1.8, 1.7, 1.7, 1.8, 1.8])["reasons"] == []
    assert of(falling, right, val_losses=[2.0, 2.0, 1.8, 1.8, 1.7, 1.7, 1.6, 1.6])["reasons"]


def test_validation_at_the_largest_class_is_reported():
    assert (
        "does not beat the largest class, 50.0%" in of([1.0] * 8, np.arange(100) < 80, val_accuracy=0.5)["reasons"][0]
    )


def test_a_student_far_behind_its_teacher_is_reported():
    right = np.arange(100) < 70
    assert "its teacher 99.0%" in of([1.0] * 8, right, teacher=0.99)["reasons"][0]
    assert not of([1.0] * 8, right, teacher=0.9)["reasons"]


def test_few_steps_are_reported_with_what_they_left():
    right = np.arange(100) < 80
    assert of([1.0] * 24, right, steps=24)["reasons"] == [
        "it took only 24 steps, and classifies 80.0% of its training samples correctly"
    ]
    assert not of([1.0] * 24, np.ones(100), steps=24)["reasons"]


def test_a_training_of_two_rounds_has_no_quarters():
    assert of([2.0, 1.0], np.arange(100) < 80)["reasons"] == []
