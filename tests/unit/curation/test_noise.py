"""Confident learning's joint against the example of docs/methods.md, "Confident learning", and the noise estimate."""

import numpy as np
import pytest

from edgekit.curation import noise

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
P0 = np.array([0.9, 0.8, 0.7, 0.2, 0.1, 0.2, 0.3, 0.75])
PROBABILITIES = np.stack([P0, 1 - P0], axis=1)


def test_thresholds_and_joint():
    assert noise.thresholds(PROBABILITIES, LABELS) == pytest.approx([0.65, 0.6625])
    assert noise.confident_joint(PROBABILITIES, LABELS).tolist() == [[3, 1], [1, 3]]
    assert noise.calibrated_joint(PROBABILITIES, LABELS).tolist() == [[3, 1], [1, 3]]


def test_a_calibrated_row_sums_to_its_class():
    p = np.random.default_rng(0).dirichlet(np.ones(5), 333)
    labels = np.random.default_rng(1).integers(0, 5, 333)
    assert noise.calibrated_joint(p, labels).sum(axis=1).tolist() == np.bincount(labels).tolist()


def hard_problem(rate: float, seed: int = 0):
    """A calibrated network on samples of which some are hard, and labels of which `rate` are wrong."""
    rng = np.random.default_rng(seed)
    confidence = 1 - rng.beta(0.5, 3.0, 20000) * 0.8
    top = rng.integers(0, 5, 20000)
    true = np.where(rng.random(20000) < confidence, top, (top + rng.integers(1, 5, 20000)) % 5)
    wrong = rng.random(20000) < rate
    given = np.where(wrong, (true + rng.integers(1, 5, 20000)) % 5, true)
    p = np.repeat(((1 - confidence) / 4)[:, None], 5, axis=1)
    p[np.arange(20000), top] = confidence
    return p, given


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.1, 0.2])
def test_hard_samples_do_not_count_as_wrong_labels(rate):
    p, given = hard_problem(rate)
    assert noise.estimated_noise(p, given) == pytest.approx(rate, abs=0.02)
    joint = noise.calibrated_joint(p, given)
    assert 1 - joint.diagonal().sum() / joint.sum() > rate + 0.02, "the plain joint does count them"


def test_a_perfect_network_on_clean_labels_sees_no_noise():
    assert noise.estimated_noise(np.eye(4)[[0, 1, 2, 3, 0]], np.array([0, 1, 2, 3, 0])) == 0
