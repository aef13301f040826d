import math

import numpy as np
import pytest
from scipy.stats import binomtest, t

from edgekit.errors import DataError
from edgekit.evidence.cross_validation import corrected_t, judge
from edgekit.evidence.proportion import wilson


def test_two_folds_by_hand():
    right = np.array([1, 1, 1, 1, 1, 1, 0, 0], bool)
    found = judge(right, np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    assert (found.folds, found.n, found.accuracy, found.effective) == (2, 8, 0.75, 8)
    assert found.per_fold == ({"n": 4, "accuracy": 1.0}, {"n": 4, "accuracy": 0.5})
    # s^2 = 0.125, 1/K + 4/4 = 1.5, t of 1 degree of freedom 12.7: all of [0, 1].
    assert found.folded == (0.0, 1.0)
    assert found.interval == (0.0, 1.0)
    exact = binomtest(6, 8).proportion_ci(0.95, method="wilson")
    assert found.pooled == pytest.approx((exact.low, exact.high))


def test_the_corrected_variance_by_hand():
    low, high = corrected_t(0.8, np.array([0.7, 0.8, 0.9]), tested=10, trained=20)
    half = t.ppf(0.975, 2) * math.sqrt((1 / 3 + 1 / 2) * 0.01)
    assert (low, high) == pytest.approx((0.8 - half, 1.0))


def test_folds_that_agree_leave_wilsons_interval():
    right = np.tile([1, 1, 1, 0], 10).astype(bool)
    found = judge(right, np.arange(40) // 8)
    assert found.interval == pytest.approx(wilson(0.75, 40))
    assert judge(np.ones(40, bool), np.arange(40) // 8).interval == pytest.approx(wilson(1, 40))


def test_samples_of_a_group_that_err_together_count_less():
    fold, group = np.arange(60) // 12, (np.arange(60) // 6).astype(str)
    together = np.repeat(np.arange(10) != 3, 6)
    found = judge(together, fold, group)
    assert found.effective == pytest.approx(0.9 * 0.1 / (10 / 9 * (9 * 0.6**2 + 5.4**2) / 3600))
    assert found.effective < 10
    assert judge(np.ones(60, bool), fold, group).effective == 10
    one_each = np.tile([1, 1, 1, 1, 1, 0], 10).astype(bool)
    assert judge(one_each, fold, group).effective == 60


def test_the_interval_covers_where_the_naive_one_does_not():
    """Nearest class means of 40 samples in 30 dimensions, whose expected accuracy is known from a large test set."""
    rng = np.random.default_rng(0)
    shift = np.full(30, 0.22)

    def draw(n):
        y = np.arange(n) % 2
        return rng.normal(size=(n, 30)) + np.where(y[:, None] == 1, shift, -shift), y

    def learned(x, y):
        a, b = x[y == 0].mean(axis=0), x[y == 1].mean(axis=0)
        return lambda z: (((z - b) ** 2).sum(axis=1) < ((z - a) ** 2).sum(axis=1)).astype(int)

    test = draw(4000)
    truth = np.mean([(learned(*draw(32))(test[0]) == test[1]).mean() for _ in range(100)])
    fold = np.arange(40) // 2 % 5
    covered, naive = [], []
    for _ in range(400):
        x, y = draw(40)
        right = np.empty(40, bool)
        for each in range(5):
            out = fold == each
            right[out] = learned(x[~out], y[~out])(x[out]) == y[out]
        found = judge(right, fold)
        covered.append(found.interval[0] <= truth <= found.interval[1])
        naive.append(found.pooled[0] <= truth <= found.pooled[1])
    assert np.mean(covered) >= 0.95
    assert np.mean(naive) < np.mean(covered)


@pytest.mark.parametrize("fold", [np.zeros(4, int), np.array([0, 1])])
def test_wrong_input(fold):
    with pytest.raises(DataError, match="folds"):
        judge(np.ones(4, bool), fold)
