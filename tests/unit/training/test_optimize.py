"""Schedules, losses and averages, by hand-computed values."""

import math

import numpy as np
import pytest

from edgekit import recipe, students
from edgekit.frameworks import backend
from edgekit.peft.apply import apply, train_only
from edgekit.recipe import PeftSection
from edgekit.training import optimize
from edgekit.training.averaging import Mean, refresh_batch_norm

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def section(**values):
    return recipe.from_mapping({"training": values}).training


def rates(keras, total, averaged=0, **values):
    made = optimize.schedule(keras, section(**values), total, averaged)
    return [float(made(step)) for step in range(total + 1)]


def test_cosine_with_warm_up(keras):
    found = rates(keras, 100, learning_rate=1.0, warmup=0.1)
    assert found[0] == pytest.approx(0.05)
    assert found[5] == pytest.approx(0.05 + 0.95 * 0.5)
    assert found[10] == pytest.approx(1)
    assert found[55] == pytest.approx(0.5)
    assert found[100] == pytest.approx(0, abs=1e-6)


def test_steps(keras):
    found = rates(keras, 100, learning_rate=1.0, warmup=0.0, schedule="step", milestones=[0.5, 0.8], gamma=0.2)
    assert (found[49], found[50], found[80]) == pytest.approx((1, 0.2, 0.04))


def test_swa_ends_the_cosine_where_averaging_begins(keras):
    found = rates(keras, 100, averaged=30, learning_rate=1.0, warmup=0.0, swa=0.3, swa_learning_rate=0.2)
    assert found[35] == pytest.approx(0.2 + 0.8 * 0.5)
    assert found[70:] == pytest.approx([0.2] * 31)


def test_constant(keras):
    assert optimize.schedule(keras, section(schedule="constant", warmup=0.0, learning_rate=0.5), 10, 0) == 0.5


def test_distillation_loss_by_hand(keras):
    """alpha .25, T 2, logits (2, 0), label 0, teacher (.6, .4); the second row has no soft labels."""
    loss = optimize.loss(keras, section(), rows=True, soft=(0.25, 2.0))
    y = np.array([[1, 0, 0.6, 0.4], [0, 1, 0, 0]], np.float32)
    z = np.array([[2, 0], [2, 0]], np.float32)
    p, q = 1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-1))
    divergence = 0.6 * math.log(0.6 / q) + 0.4 * math.log(0.4 / (1 - q))
    expected = [0.75 * -math.log(p) + 0.25 * 4 * divergence, -math.log(1 - p)]
    assert np.asarray(loss(y, z)) == pytest.approx(expected, rel=1e-5)


def test_accuracy_of_rows_reads_the_labels_half(keras):
    metric = optimize.accuracy(keras, rows=True)
    metric.update_state(np.array([[1, 0, 0, 1], [0, 1, 0, 0]], np.float32), np.array([[3, 0], [3, 0]], np.float32))
    assert float(metric.result()) == 0.5


def test_the_mean_of_weights_and_its_batch_statistics(keras):
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(2, use_bias=False), keras.layers.BatchNormalization()]
    )
    model(np.zeros((1, 2)))
    mean = Mean()
    for value in (1.0, 3.0):
        model.layers[0].set_weights([np.full((2, 2), value, np.float32)])
        mean.add(model)
    mean.assign(model)
    assert model.layers[0].get_weights()[0] == pytest.approx(np.full((2, 2), 2))
    batches = [np.full((4, 2), v, np.float32) + np.array([[0, 0], [0, 0], [1, 1], [1, 1]]) for v in (0.0, 1.0)]
    refresh_batch_norm(keras, model, batches)
    _, _, moving_mean, moving_variance = model.layers[1].get_weights()
    # Dense gives 2 (x1 + x2): 0, 0, 4, 4 and 4, 4, 8, 8, so means 2 and 6, variances 4 and 4.
    assert moving_mean == pytest.approx([4, 4], rel=1e-5)
    assert moving_variance == pytest.approx([4, 4], rel=1e-4)
    assert model.layers[1].momentum == 0.99


@pytest.mark.parametrize("name", ["ast_tiny", "passt_tiny"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_weight_decay_shrinks_kernels_alone(keras, name, optimizer):
    """With gradients of 0 a weight changes by its decay alone: not biases, norms, positions and tokens, nor SSF's parameters."""
    model = apply(keras, students.build("students", name, keras, (28, 28, 1), 4), PeftSection(method="ssf")).model
    train_only(model, {layer.name for layer in model.layers})
    variables = model.trainable_variables
    made = optimize.optimizer(keras, section(optimizer=optimizer, weight_decay=0.1), 1.0)
    made.build(variables)
    before = [np.asarray(v).copy() for v in variables]
    made.apply([keras.ops.zeros(v.shape) for v in variables], variables)
    moved = {v.path for v, old in zip(variables, before, strict=True) if not np.array_equal(np.asarray(v), old)}
    assert moved == {v.path for v in variables if v.name == "kernel"}
    assert any("ssf" in v.path for v in variables) and any(v.name in ("table", "times") for v in variables)


def test_frozen_batch_statistics_are_not_renewed(keras):
    """Those of a frozen trunk belong to weights that have not changed."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(name="norm"), keras.layers.Dense(2)])
    train_only(model, {"dense"})
    refresh_batch_norm(keras, model, [np.full((4, 2), 5, np.float32)])
    assert [w.tolist() for w in model.get_layer("norm").get_weights()] == [[1, 1], [0, 0], [0, 0], [1, 1]]
