"""Groups of copies by construction."""

import dataclasses

import numpy as np
import pytest

from edgekit.curation.methods import duplicates
from edgekit.curation.methods.duplicates import decide, representatives
from edgekit.errors import RecipeError
from edgekit.types import Signals


def signals_of(labels, **given):
    ids = np.array([f"s{i}" for i in range(len(labels))])
    return Signals(ids=ids, labels=np.array(labels), classes=3, **given)


def run(signals, **params):
    return decide(signals, budget=None, seed=1, params=params)


def test_the_first_sample_of_the_majority_stays():
    group = np.array([5, 5, 5, 2, 2, 7])
    labels = np.array([1, 0, 0, 2, 1, 0])
    assert representatives(group, labels).tolist() == [1, 1, 1, 3, 3, 5]


def test_exact_duplicates_need_only_digests_and_reach_across_folds():
    signals = signals_of([0, 0, 1, 2, 0], digests=np.array(["a", "b", "a", "c", "a"]), folds=np.array([0, 1, 1, 0, 1]))
    decision = run(signals)
    assert decision.drop == {2: "duplicate of s0", 4: "duplicate of s0"}
    assert decision.scores.values.tolist() == [0, 1, -1, 1, -1]
    assert decision.facts["exact_duplicates"] == 2
    assert decision.facts["near_duplicates"] is None
    assert decision.facts["conflicting_groups"] == 1
    assert decision.facts["conflicts"] == "s0 (0), s2 (1), s4 (0)"
    assert decision.warnings


@pytest.mark.parametrize("cells", [1 << 22, 4])
def test_near_duplicates_within_epsilon(cells, monkeypatch):
    monkeypatch.setattr(duplicates, "_CELLS", cells)
    angles = np.array([0.0, 0.1, 1.0, 2.0, 2.1, 2.2])  # cos .1 = .99500, cos .2 = .98007
    embeddings = (np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.arange(1, 7)[:, None]).astype(np.float32)
    signals = signals_of([0, 0, 0, 1, 2, 2], embeddings=embeddings)
    decision = run(signals, epsilon=0.01)
    assert decision.drop == {1: "near duplicate of s0", 3: "near duplicate of s4", 5: "near duplicate of s4"}
    near, away = np.cos(0.1), 1 - np.cos(0.9)
    assert decision.scores.values == pytest.approx([1 - near, -near, away, -near, 1 - near, -near], abs=1e-6)
    assert decision.facts["groups"] == 2
    assert decision.facts["near_duplicates"] == 3
    assert run(signals, epsilon=0.004).drop == {}
    assert run(signals, epsilon=0).drop == {}


def test_near_duplicates_are_not_sought_across_folds():
    embeddings = np.ones((4, 2), np.float32)
    signals = signals_of([0, 0, 0, 0], embeddings=embeddings, folds=np.array([0, 1, 0, 1]))
    assert run(signals).drop == {2: "near duplicate of s0", 3: "near duplicate of s1"}


def test_exact_and_near_duplicates_form_one_group():
    embeddings = np.array([[1, 0], [0, 1], [1, 0.001]], np.float32)
    signals = signals_of(
        [0, 0, 0], embeddings=embeddings, digests=np.array(["a", "a", "b"]), folds=np.array([0, 1, 0], np.int64)
    )
    decision = run(signals)
    assert decision.drop == {1: "duplicate of s0", 2: "near duplicate of s0"}
    assert decision.scores.values[1] == -1


def test_one_of_every_group_stays(signals):
    rng = np.random.default_rng(0)
    copied = dataclasses.replace(signals, digests=np.array([f"{i}" for i in rng.integers(0, 90, 300)]))
    decision = run(copied, epsilon=0)
    assert 300 - len(decision.drop) == len(np.unique(copied.digests))
    kept = np.delete(np.arange(300), list(decision.drop))
    assert len(np.unique(copied.digests[kept])) == len(kept)


def test_the_order_of_the_rows_changes_who_stays_but_not_the_groups(signals, reordered):
    order = np.random.default_rng(3).permutation(300)
    before, after = run(signals, epsilon=0.01), run(reordered(signals, order), epsilon=0.01)
    assert before.facts["groups"] > 0
    assert {**before.facts, "conflicts": None} == {**after.facts, "conflicts": None}


@pytest.mark.parametrize("epsilon", [-0.1, 2, float("nan")])
def test_an_epsilon_out_of_range_is_refused(signals, epsilon):
    with pytest.raises(RecipeError, match="epsilon"):
        run(signals, epsilon=epsilon)
