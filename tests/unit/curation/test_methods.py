"""IQR and random against hand-computed cases and METHODS.md section 3.8."""

import numpy as np
import pytest

from edgekit.curation.methods import iqr, none, random
from edgekit.errors import RecipeError
from edgekit.types import Signals


def signals_of(loss):
    """Two-class signals whose cross-entropy is `loss`."""
    p = np.exp(-np.asarray(loss, np.float64))
    count = len(p)
    return Signals(
        ids=np.array([f"train/{i}" for i in range(count)]),
        labels=np.zeros(count, np.int64),
        pred_probs=np.stack([p, 1 - p], axis=1).astype(np.float32),
    )


def decide(method, signals, budget=None, **params):
    return method.decide(signals, budget=budget, seed=1, params={"factor": 1.5, **params})


def test_fences_are_tukeys():
    assert iqr.fences(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == (2 - 1.5 * 2, 4 + 1.5 * 2)


def test_lower_fence_removes_one_and_upper_none():
    decision = decide(iqr, signals_of([0, *np.linspace(10, 10.5, 99)]))
    assert decision.facts["removed_low"] == 1
    assert decision.facts["removed_high"] == 0
    assert decision.drop == {0: "low_loss"}


@pytest.mark.parametrize("seed", range(5))
def test_lower_fence_removes_nothing_when_q1_is_below_six_tenths_of_q3(seed):
    loss = np.random.default_rng(seed).exponential(1.0, 500)
    q1, q3 = np.percentile(loss, [25, 75])
    assert q1 < 0.6 * q3
    decision = decide(iqr, signals_of(loss))
    assert decision.facts["removed_low"] == 0
    assert decision.facts["lower_fence"] < 0
    assert any("removes nothing" in warning for warning in decision.warnings)


def test_upper_fence_removes_exactly_what_lies_above_it():
    loss = np.concatenate([np.linspace(0.1, 0.5, 40), [5.0, 6.0]])
    decision = decide(iqr, signals_of(loss))
    assert decision.drop == {40: "high_loss", 41: "high_loss"}
    assert decision.scores.values[41] < decision.scores.values[0], "higher = more worth keeping"
    assert decision.scores.values == pytest.approx(-loss, rel=1e-3)


def test_a_wider_factor_drops_less():
    loss = np.random.default_rng(0).exponential(1.0, 500)
    narrow, wide = (decide(iqr, signals_of(loss), factor=factor) for factor in (1.5, 3.0))
    assert len(wide.drop) < len(narrow.drop)


def test_iqr_warns_that_clean_data_loses_hard_samples():
    # 20 % hard yet correctly labeled: p of the label .6, of the other class .4
    loss = np.concatenate([np.full(80, 0.01), np.linspace(0.4, 0.5, 20)])
    decision = decide(iqr, signals_of(loss))
    assert decision.facts["estimated_noise"] == 0
    assert len(decision.drop) == 20
    assert any("likely hurts" in warning for warning in decision.warnings)


def test_iqr_needs_probabilities():
    with pytest.raises(RecipeError, match="probabilities"):
        decide(iqr, Signals(ids=np.array(["a"]), labels=np.array([0])))


def test_a_probability_of_zero_has_a_finite_loss():
    loss = iqr.cross_entropy(np.array([[0.0, 1.0]], np.float32), np.array([0]))
    assert np.isfinite(loss).all()


def test_random_drops_the_budget_the_same_way_twice():
    signals = signals_of(np.ones(100))
    first, again = decide(random, signals, 30), decide(random, signals, 30)
    assert first.drop == again.drop
    assert len(first.drop) == 30
    assert set(first.drop) == set(np.argsort(first.scores.values)[:30].tolist())
    assert len(decide(random, signals, 0.25).drop) == 25
    assert random.decide(signals, budget=30, seed=2, params={}).drop != first.drop


@pytest.mark.parametrize("budget", [None, 100, 101])
def test_random_refuses_a_budget_that_leaves_nothing(budget):
    with pytest.raises(RecipeError):
        decide(random, signals_of(np.ones(100)), budget)


def test_none_keeps_everything():
    assert decide(none, signals_of(np.ones(5))).drop == {}
