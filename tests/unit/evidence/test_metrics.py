"""The example of docs/methods.md, "Worked example", hand-computed cases, and properties under ties."""

import numpy as np
import pytest

from edgekit.errors import DataError
from edgekit.evidence import metrics

CONFIDENCE = np.array([0.95, 0.90, 0.90, 0.85, 0.80, 0.70, 0.70, 0.70, 0.60, 0.55])
ERROR = np.array([0, 0, 1, 0, 0, 1, 0, 0, 1, 1], dtype=bool)
PROBABILITIES = np.stack([CONFIDENCE, 1 - CONFIDENCE], axis=1)
LABELS = ERROR.astype(np.int64)  # class 0 is always predicted


def test_worked_vector():
    assert metrics.augrc(CONFIDENCE, ERROR) == pytest.approx(0.135)
    assert metrics.aurc(CONFIDENCE, ERROR) == pytest.approx(0.2476984127)
    assert metrics.debiased_ece_squared(CONFIDENCE, ERROR, bins=2) == pytest.approx(-0.01555)
    quality = metrics.quality(PROBABILITIES, LABELS)
    assert quality.accuracy == pytest.approx(0.6)
    assert quality.nll == pytest.approx(0.6477022504, abs=5e-11)
    assert quality.brier == pytest.approx(0.4435, abs=1e-9)
    risks = [metrics.risk_at_coverage(CONFIDENCE, ERROR, c) for c in (0.5, 0.8, 1.0)]
    assert risks == pytest.approx([0.20, 0.25, 0.40])


def test_accuracy_is_the_exact_share():
    """2802 of 3000 is 0.934, not 0.9339999: a gate at 0.934 must hold."""
    labels = np.zeros(3000, np.int64)
    labels[2802:] = 1
    assert metrics.quality(np.tile([0.9, 0.1], (3000, 1)), labels).accuracy >= 0.934


def test_the_levels_of_an_int8_softmax_are_recognized():
    p = np.array([[0.0, 1.0], [0.25, 0.75]])
    assert metrics.quality(p, np.array([0, 1])).nll_clipped == 1
    assert metrics.quality(p, np.array([0, 1])).nll < 7
    exact = np.array([[1e-9, 1 - 1e-9], [0.3, 0.7]])
    assert metrics.quality(exact, np.array([0, 1])).nll > 10


def test_nll_clips_at_the_floor_and_renormalizes():
    p = np.array([[0.0, 1.0], [0.5, 0.5]])
    loss, clipped = metrics.nll(p, np.array([0, 1]), floor=metrics.HALF_LEVEL)
    first = metrics.HALF_LEVEL / (1 + metrics.HALF_LEVEL)
    assert clipped == 1
    assert loss == pytest.approx(-(np.log(first) + np.log(0.5)) / 2)


def test_argmax_ties_are_counted_and_broken_by_the_first_index():
    quality = metrics.quality(np.array([[0.5, 0.5, 0.0], [0.2, 0.4, 0.4]]), np.array([0, 2]))
    assert quality.argmax_ties == 2
    assert quality.accuracy == 0.5


def test_confusion_counts_every_sample():
    matrix = metrics.confusion(np.array([0, 1, 1]), np.array([0, 1, 0]), 2)
    assert matrix.tolist() == [[1, 1], [0, 1]]
    assert metrics.confusion(np.array([2]), np.array([0]), 3).tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_everything_beyond_quality():
    found = metrics.reliability(PROBABILITIES, LABELS)
    assert found.auroc_f == pytest.approx(18.5 / 24, abs=1e-9)
    assert found.augrc_best == pytest.approx(0.08, abs=1e-9)
    assert found.aurc_fd_shifts == pytest.approx(0.21833333333, abs=1e-9)
    assert (found.ece_sweep, found.ece_sweep_bins) == (pytest.approx(0.165, abs=1e-9), 2)
    assert found.coverage_at_risk["0.05"] == 0.1
    assert found.ties == metrics.ties(PROBABILITIES)


def test_ties_and_clips_of_int8_are_counted():
    levels = np.array([[0, 255], [0, 255], [128, 128], [100, 156], [1, 255]]) / 256
    assert metrics.ties(levels) == metrics.Ties(confidences=3, tied=3, at_top=3, clipped_high=3, argmax=1, zeros=2)


def test_brier_and_nll_agree_with_scikit_learn():
    from sklearn.metrics import brier_score_loss, log_loss

    rng = np.random.default_rng(0)
    p, labels = rng.dirichlet(np.ones(4), 300), rng.integers(0, 4, 300)
    assert metrics.nll(p, labels, metrics.TINY)[0] == pytest.approx(log_loss(labels, p), abs=1e-9)
    assert metrics.brier(p, labels) == pytest.approx(((p - np.eye(4)[labels]) ** 2).sum(axis=1).mean(), abs=1e-9)
    two, ones = p[:, :2] / p[:, :2].sum(axis=1, keepdims=True), labels % 2
    assert metrics.brier(two, ones) == pytest.approx(2 * brier_score_loss(ones, two[:, 1]), abs=1e-9)


@pytest.mark.parametrize(
    ("p", "labels", "message"),
    [
        ([[0.5, 0.5], [np.nan, 0.5]], [0, 1], "1 of 2 samples have a probability that is not a finite number"),
        ([[0.5, 0.5]], [2], "there are 2 classes"),
        ([[0.5, 0.5]], [0, 1], "Expected"),
        (np.zeros((0, 2)), np.zeros(0, int), "Expected"),
    ],
)
def test_what_cannot_be_measured_is_refused(p, labels, message):
    for measure in (metrics.quality, metrics.reliability):
        with pytest.raises(DataError, match=message):
            measure(np.array(p), np.array(labels))
