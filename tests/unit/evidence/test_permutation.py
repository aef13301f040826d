"""The sign-flip test: its floor, a case by hand, and scipy."""

import numpy as np
import pytest
from scipy import stats

from edgekit.evidence.permutation import least_seeds, sign_flip


@pytest.mark.parametrize("seeds", [1, 5, 6, 10])
def test_floor(seeds):
    assert sign_flip(np.linspace(1, 2, seeds)) == pytest.approx(2 / 2**seeds)


def test_least_seeds():
    assert (least_seeds(), least_seeds(0.01), least_seeds(0.0625)) == (6, 8, 6)


def test_by_hand():
    # Of the 8 sums of +-1 +-2 +-3, |sum| >= 4 (1 - 2 - 3 and so on) in 4: +-6 and +-4.
    assert sign_flip(np.array([-1.0, 2.0, 3.0])) == 0.5
    assert sign_flip(np.zeros(6)) == 1


def test_it_equals_scipy():
    rng = np.random.default_rng(0)
    for seeds in (4, 7, 9):
        a, b = rng.normal(0.3, 1, seeds), rng.normal(0, 1, seeds)
        theirs = stats.permutation_test(
            (a, b),
            lambda x, y, axis: (x - y).mean(axis),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=True,
        )
        assert sign_flip(a - b) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_equal_sums_count_whatever_the_rounding():
    accuracies = np.array([0.1, 0.2, 0.3, -0.3, 0.1, 0.2])
    assert sign_flip(accuracies) == sign_flip(np.array([1, 2, 3, -3, 1, 2])) == sign_flip(accuracies[::-1])


def test_many_seeds_are_sampled():
    differences = np.random.default_rng(1).normal(0.5, 1, 30)
    assert sign_flip(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.01)
    with pytest.raises(ValueError, match="no differences"):
        sign_flip(np.array([]))
