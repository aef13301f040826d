"""The worked vector of METHODS.md section 5.4, hand-computed cases, and properties under ties."""

import numpy as np
import pytest

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
    assert quality.nll == pytest.approx(0.6477022504)
    assert quality.brier == pytest.approx(0.4435)
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


def test_equal_mass_bins_keep_ties_together():
    bins = metrics.equal_mass_bins(CONFIDENCE, 5)
    groups = [np.flatnonzero(bins == b).tolist() for b in range(bins.max() + 1)]
    assert groups == [[8, 9], [5, 6, 7], [4], [3], [0, 1, 2]]
    assert [np.flatnonzero(metrics.equal_mass_bins(CONFIDENCE, 2) == b).tolist() for b in (0, 1)] == [
        [5, 6, 7, 8, 9],
        [0, 1, 2, 3, 4],
    ]


def test_augrc_equals_its_auroc_identity_on_tied_sets():
    """AUGRC = (1 - AUROC_f) acc (1 - acc) + (1 - acc)^2 / 2 (METHODS.md 5.1)."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    for _ in range(50):
        confidence = rng.integers(0, 12, 80) / 12
        error = rng.random(80) < 0.3
        accuracy = 1 - error.mean()
        expected = (1 - roc_auc_score(~error, confidence)) * accuracy * (1 - accuracy) + (1 - accuracy) ** 2 / 2
        assert metrics.augrc(confidence, error) == pytest.approx(expected)


def test_ranking_metrics_do_not_depend_on_the_order_of_ties():
    rng = np.random.default_rng(1)
    confidence, error = rng.integers(0, 6, 200) / 6, rng.random(200) < 0.2
    shuffled = rng.permutation(200)
    for metric in (metrics.augrc, metrics.aurc, metrics.debiased_ece_squared):
        assert metric(confidence, error) == pytest.approx(metric(confidence[shuffled], error[shuffled]))


def test_aurc_is_the_mean_over_tie_orders():
    confidence, error = np.array([0.9, 0.5, 0.5]), np.array([False, True, False])
    # orders of the tied pair: risks (0, 1/2, 1/3) and (0, 0, 1/3)
    assert metrics.aurc(confidence, error) == pytest.approx(((0 + 1 / 2 + 1 / 3) / 3 + (0 + 0 + 1 / 3) / 3) / 2)


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


def test_debiased_ece_of_a_calibrated_model_is_near_zero():
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.5, 1, 20_000)
    error = rng.random(20_000) > confidence
    assert abs(metrics.debiased_ece_squared(confidence, error)) < 2e-4


def test_confusion_and_reliability_bins_count_every_sample():
    matrix = metrics.confusion(np.array([0, 1, 1]), np.array([0, 1, 0]), 2)
    assert matrix.tolist() == [[1, 1], [0, 1]]
    rows = metrics.reliability_bins(CONFIDENCE, ERROR, 5)
    assert sum(row["n"] for row in rows) == 10
    assert rows[-1] == {"n": 3, "confidence": pytest.approx(0.9166667), "accuracy": pytest.approx(2 / 3)}
