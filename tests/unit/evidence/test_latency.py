"""The median of latencies and its block-bootstrap interval."""

import numpy as np
import pytest

from edgekit.evidence.latency import median_interval, ratio_interval


def test_constant_values_have_no_spread():
    assert median_interval([7] * 50) == (7, 7, 7)


def test_few_values_give_their_range():
    assert median_interval([3.0]) == (3, 3, 3)
    assert median_interval([1, 2]) == (1.5, 1, 2)
    with pytest.raises(ValueError, match="no values"):
        median_interval([])


def test_the_interval_covers_the_true_median_as_often_as_it_says():
    rng = np.random.default_rng(0)
    true, inside = np.log(2), 0
    for draw in range(60):
        low, high = median_interval(rng.exponential(size=400), seed=draw)[1:]
        inside += low <= true <= high
    assert 50 <= inside <= 60, "95 % of 60 is 57"


def test_slow_spells_widen_it():
    """Two states of a machine, each lasting long: single values would suggest a certainty that is not there."""
    spells = np.repeat(np.random.default_rng(1).permutation([1.0] * 20 + [2.0] * 20), 50)
    _, low, high = median_interval(spells + np.random.default_rng(2).normal(0, 0.01, spells.size))
    assert high - low > 0.5
    _, low, high = median_interval(np.random.default_rng(3).permutation(spells))
    assert high - low <= 1


def test_many_values_are_thinned_and_repeatable():
    values = np.arange(100_000) % 1000
    assert median_interval(values) == median_interval(values)


def test_a_slow_spell_that_hits_both_leaves_their_ratio_alone():
    rng = np.random.default_rng(0)
    spells = np.repeat(rng.choice([1.0, 3.0], 40), 25)
    a, b = spells * rng.normal(2, 0.01, 1000), spells * rng.normal(1, 0.01, 1000)
    ratio, low, high = ratio_interval(a, b)
    assert low <= ratio <= high
    assert ratio == pytest.approx(2, abs=0.01)
    assert high - low < 0.02 < median_interval(a)[2] - median_interval(a)[1]
    with pytest.raises(ValueError, match="same rounds"):
        ratio_interval(a, b[:-1])
