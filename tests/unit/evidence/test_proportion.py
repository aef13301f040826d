"""Wilson's interval, and the interval of a mean of shares."""

import numpy as np
import pytest

from edgekit.evidence.proportion import mean_interval, wilson


def test_the_interval_is_wilsons():
    """Agresti and Coull (1998): 0 of 10 gives 0 to 0.278, 5 of 10 gives 0.237 to 0.763."""
    assert wilson(0.0, 10) == pytest.approx((0, 0.2775), abs=5e-4)
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=5e-4)


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (3, 4), (997, 1000), (1000, 1000)])
def test_the_same_as_scipy(right, n):
    from scipy.stats import binomtest

    expected = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_of_one_share_it_is_that_of_the_share():
    assert mean_interval([(0.9, 20)]) == pytest.approx(wilson(0.9, 20))


def test_of_several_the_distances_are_squared_and_added():
    """Two shares of .5 of 10, each .2634 from its ends: .5 -+ .2634 / sqrt 2."""
    assert mean_interval([(0.5, 10), (0.5, 10)]) == pytest.approx((0.3138, 0.6862), abs=5e-4)
    low, high = mean_interval([(1.0, 4), (1.0, 400)])
    assert high == 1.0 and low == pytest.approx(1 - (1 - wilson(1.0, 4)[0]) / 2, abs=1e-3), "the small class decides"


def test_it_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth, sizes = [0.95, 0.8, 0.6], [200, 20, 8]
    drawn = rng.binomial(sizes, truth, (400, 3)) / sizes
    held = [
        low <= np.mean(truth) <= high
        for low, high in (mean_interval(list(zip(row, sizes, strict=True))) for row in drawn)
    ]
    assert 0.92 <= np.mean(held) <= 0.99
