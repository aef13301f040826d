"""BADGE's distances against explicit gradients."""

import dataclasses

import numpy as np
import pytest

from edgekit.curation.pool import badge


def explicit(pool):
    deltas = pool.pred_probs - np.eye(3)[pool.pred_probs.argmax(axis=1)]
    return np.einsum("nk,nd->nkd", deltas, pool.embeddings).reshape(120, -1)


def test_factorized_distances_are_those_of_the_gradients(pool):
    gradients = explicit(pool)
    deltas = (pool.pred_probs - np.eye(3)[pool.pred_probs.argmax(axis=1)]).astype(np.float32)
    norms = badge.squared_norms(deltas, pool.embeddings)
    assert norms == pytest.approx((gradients**2).sum(axis=1), rel=1e-5)
    for j in (0, 50, 119):
        expected = ((gradients - gradients[j]) ** 2).sum(axis=1)
        assert badge.squared_distances(deltas, pool.embeddings, norms, j) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_the_first_choice_has_the_largest_gradient(pool):
    for seed in range(3):
        scores = badge.rank(pool, count=5, seed=seed)
        assert scores.argmax() == (explicit(pool) ** 2).sum(axis=1).argmax()


def test_the_second_choice_is_drawn_by_squared_distance(pool):
    gradients = explicit(pool)
    first = (gradients**2).sum(axis=1).argmax()
    share = ((gradients - gradients[first]) ** 2).sum(axis=1)
    drawn = [int(np.argsort(-badge.rank(pool, count=2, seed=seed))[1]) for seed in range(400)]
    near = share < np.quantile(share, 0.9)
    assert np.mean(near[drawn]) == pytest.approx(share[near].sum() / share.sum(), abs=0.1)


def test_copies_are_chosen_once_each(pool):
    same = dataclasses.replace(
        pool, embeddings=np.ones((120, 5), np.float32), pred_probs=np.full((120, 3), 1 / 3, np.float32)
    )
    scores = badge.rank(same, count=120, seed=0)
    assert sorted(scores.tolist()) == list(range(2, 122))
