"""Coverage-centric selection against a case by hand and the authors' order of visiting strata."""

import dataclasses

import numpy as np
import pytest

from edgekit.curation.methods import ccs
from edgekit.errors import RecipeError, UnknownName


def test_small_strata_pass_their_budget_on():
    # 10 to keep of sizes 1, 9, 4, 0: empty first (0), then 1 of 10 // 3, then 4 of 9 // 2 = 4, then 5 of 5 // 1.
    assert ccs.stratum_budgets(np.array([1, 9, 4, 0]), 10).tolist() == [1, 5, 4, 0]


@pytest.mark.parametrize("seed", range(10))
def test_budgets_sum_to_what_is_kept(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 30, 50)
    keep = int(rng.integers(0, sizes.sum() + 1))
    budgets = ccs.stratum_budgets(sizes, keep)
    assert budgets.sum() == keep
    assert (budgets <= sizes).all()


def test_a_selection_by_hand():
    # Range 0 to 50, width 1: stratum 0 holds samples 0 to 3, stratum 25 samples 4 and 5, stratum 49 sample 6; 7 is the hardest.
    hard = np.array([0.0, 0.1, 0.2, 0.3, 25.5, 25.6, 50.0, 99.0])
    drop = ccs.cover(hard, keep=4, hardest=1, seed=3)
    assert drop[7] == "hardest"
    # 47 empty strata, then 1 (4 // 3 = 1), 2 // ... : 1 of stratum 49, 1 of stratum 25 (3 // 2), 2 of stratum 0
    assert [len({0, 1, 2, 3} - set(drop)), len({4, 5} - set(drop)), len({6} - set(drop))] == [2, 1, 1]
    assert set(drop.values()) == {"hardest", "stratum"}
    assert list(drop) == sorted(drop)
    assert ccs.cover(hard, keep=4, hardest=1, seed=3) == drop


def test_equal_difficulties_are_one_stratum():
    drop = ccs.cover(np.ones(10), keep=4, hardest=0, seed=1)
    assert len(drop) == 6


def test_difficulty_of_both_variants(signals):
    i = 17
    off = signals.oof_probs[i] - np.eye(3)[signals.labels[i]]
    assert ccs.difficulty(signals, "el2n")[i] == pytest.approx(np.sqrt((off**2).sum()))
    assert ccs.difficulty(signals, "aum")[i] == pytest.approx(-signals.margins[:, i].mean())


@pytest.mark.parametrize(("budget", "beta"), [(30, 0.0), (150, 0.1), (270, 0.3), (295, 0.3)])
def test_beta_grows_as_less_is_kept(signals, budget, beta):
    decision = ccs.decide(signals, budget=budget, seed=1, params={})
    assert len(decision.drop) == budget
    assert decision.facts["beta"] == pytest.approx(beta)
    hardest = {i for i, reason in decision.drop.items() if reason == "hardest"}
    assert hardest == set(np.argsort(decision.scores.values, kind="stable")[: round(beta * 300)].tolist())


def test_what_cannot_be_done_is_refused(signals):
    with pytest.raises(RecipeError, match="budget"):
        ccs.decide(signals, budget=None, seed=1, params={})
    with pytest.raises(RecipeError, match="beta"):
        ccs.decide(signals, budget=30, seed=1, params={"beta": 0.2})
    with pytest.raises(UnknownName, match="el2n"):
        ccs.decide(signals, budget=30, seed=1, params={"variant": "el2"})
    with pytest.raises(RecipeError, match="margins"):
        ccs.decide(dataclasses.replace(signals, margins=None), budget=30, seed=1, params={"variant": "aum"})
