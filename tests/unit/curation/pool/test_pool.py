"""What holds for every strategy, the choice of the next samples, and the strategies of one line by hand."""

import dataclasses

import numpy as np
import pytest

from edgekit import registry
from edgekit.curation.pool import entropy, label_next, margin
from edgekit.errors import DataError, UnknownName

STRATEGIES = list(registry.POOLS)


def rank(name, pool, count=20, seed=3):
    return registry.load("pools", name)(pool, count=count, seed=seed)


@pytest.mark.parametrize("name", STRATEGIES)
def test_scores_are_finite_and_the_same_twice(name, pool):
    scores = rank(name, pool)
    assert scores.shape == (120,)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert np.array_equal(scores, rank(name, pool))


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "random"])
def test_new_names_and_another_order_of_rows_change_nothing(name, pool):
    order = np.random.default_rng(1).permutation(120)
    moved = dataclasses.replace(
        pool, ids=pool.ids[::-1], pred_probs=pool.pred_probs[order], embeddings=pool.embeddings[order]
    )
    assert rank(name, moved) == pytest.approx(rank(name, pool)[order], abs=1e-4)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("count", [1, 7, 120])
def test_the_highest_scores_are_chosen_in_order(name, pool, count):
    chosen = label_next(pool, name, count, 3)
    assert [sample.rank for sample in chosen] == list(range(1, count + 1))
    assert len({sample.id for sample in chosen}) == count
    scores = [sample.score for sample in chosen]
    assert scores == sorted(scores, reverse=True)
    first = int(chosen[0].id.removeprefix("pool/"))
    assert chosen[0].suggested == pool.pred_probs[first].argmax()
    assert chosen[0].score == rank(name, pool, count).max()


def test_entropy_and_margin_by_hand(pool):
    probs = np.array([[1, 0, 0], [0.5, 0.5, 0], [0.4, 0.3, 0.3], [1 / 3, 1 / 3, 1 / 3]], np.float32)
    small = dataclasses.replace(pool, pred_probs=probs)
    h3 = -(0.4 * np.log(0.4) + 0.6 * np.log(0.3))
    assert entropy.rank(small, count=1, seed=0) == pytest.approx([0, np.log(2), h3, np.log(3)], abs=1e-6)
    assert margin.rank(small, count=1, seed=0) == pytest.approx([-1, 0, -0.1, 0], abs=1e-6)


def test_random_depends_on_the_seed_alone(pool):
    assert not np.array_equal(rank("random", pool, seed=1), rank("random", pool, seed=2))
    assert np.array_equal(rank("random", pool, count=1), rank("random", pool, count=99))


@pytest.mark.parametrize("count", [0, 121])
def test_a_count_that_cannot_be_chosen_is_refused(pool, count):
    with pytest.raises(DataError, match="1 to 120"):
        label_next(pool, "random", count, 1)


def test_broken_pools_are_refused(pool):
    with pytest.raises(UnknownName, match="Did you mean 'margin'"):
        label_next(pool, "margins", 1, 1)
    with pytest.raises(DataError, match="same id"):
        label_next(dataclasses.replace(pool, ids=np.array(["a"] * 120)), "random", 1, 1)
    with pytest.raises(DataError, match="NaN"):
        label_next(dataclasses.replace(pool, embeddings=pool.embeddings * np.nan), "random", 1, 1)
    with pytest.raises(DataError, match="120 rows"):
        label_next(dataclasses.replace(pool, pred_probs=pool.pred_probs[:5]), "random", 1, 1)
