"""GLISTER's factorized gains against a greedy choice with one explicit gradient per sample."""

import numpy as np
import pytest

from edgekit.curation.head import softmax, with_one
from edgekit.curation.methods.glister import decide, greedy


@pytest.fixture
def case():
    rng = np.random.default_rng(2)
    inputs, val_inputs = (with_one(rng.normal(size=(rows, 3))) for rows in (12, 7))
    labels, val_labels = rng.integers(0, 4, 12), rng.integers(0, 4, 7)
    theta = rng.normal(size=(4, 4))
    return inputs, softmax(inputs @ theta) - np.eye(4)[labels], val_inputs, val_labels, theta


def naive(inputs, deltas, val_inputs, val_labels, theta, step):
    gradients = [np.outer(x, d).ravel() for x, d in zip(inputs, deltas, strict=True)]
    moved, left, order = theta.ravel().copy(), list(range(len(inputs))), []
    while left:
        validation = np.zeros_like(moved)
        for x, y in zip(val_inputs, val_labels, strict=True):
            logits = x @ moved.reshape(theta.shape)
            p = np.exp(logits) / np.exp(logits).sum()
            validation += np.outer(x, p - np.eye(len(p))[y]).ravel() / len(val_labels)
        best = max(left, key=lambda i: gradients[i] @ validation)
        order.append(best)
        left.remove(best)
        moved = theta.ravel() - step * sum(gradients[i] for i in order)
    return order


@pytest.mark.parametrize("step", [0.01, 0.3, 2.0])
def test_one_at_a_time_is_the_naive_greedy(case, step):
    assert greedy(*case, step=step, batch=1).tolist() == naive(*case, step)


def test_the_first_batch_has_the_largest_gains(case):
    theta = case[-1].copy()
    order = greedy(*case, step=0.3, batch=5)
    assert sorted(order.tolist()) == list(range(12))
    by_gain = greedy(*case, step=0.0, batch=12)
    assert order[:5].tolist() == by_gain[:5].tolist()
    assert np.array_equal(case[-1], theta), "the head is not changed"


def test_scores_fall_evenly_within_each_space(signals):
    values = decide(signals, budget=None, seed=1, params={}).scores.values
    for fold in (0, 1):
        own = np.sort(values[signals.folds == fold])
        assert own == pytest.approx(np.arange(1, len(own) + 1) / len(own))
