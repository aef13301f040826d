"""kNN-Shapley against the example of docs/methods.md, "kNN-Shapley", and the definition of the Shapley value."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest

from edgekit.curation.methods import knn_shapley as module
from edgekit.curation.methods.knn_shapley import decide, knn_shapley, shapley_of_matches
from edgekit.types import Signals


def by_definition(matches, neighbors):
    """Shapley values of v(S) = the sum of the matches of the first min(K, |S|) of S, over K."""
    count = len(matches)

    def worth(subset):
        return sum(matches[i] for i in sorted(subset)[:neighbors]) / neighbors

    values = np.zeros(count)
    for i in range(count):
        others = [j for j in range(count) if j != i]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for subset in combinations(others, size):
                values[i] += weight * (worth((*subset, i)) - worth(subset))
    return values


@pytest.mark.parametrize(("neighbors", "expected"), [(2, [0.25, -0.25, 0.25, 0.25]), (1, [0.75, -0.25, 0.25, 0.25])])
def test_published_vectors(neighbors, expected):
    matches = np.array([True, False, True, True])
    assert shapley_of_matches(matches, neighbors) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(20))
def test_the_recurrence_is_the_shapley_value(seed):
    rng = np.random.default_rng(seed)
    matches, neighbors = rng.random(rng.integers(1, 8)) < 0.5, int(rng.integers(1, 10))
    assert shapley_of_matches(matches, neighbors) == pytest.approx(by_definition(matches, neighbors))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("ties", [False, True])
def test_values_of_embeddings_are_the_shapley_values_of_their_order(seed, ties, monkeypatch):
    monkeypatch.setattr(module, "_CELLS", 10)  # several blocks
    rng = np.random.default_rng(seed)
    count, neighbors = int(rng.integers(2, 8)), int(rng.integers(1, 6))
    train, validation = rng.normal(size=(count, 3)), rng.normal(size=(4, 3))
    if ties:
        train = train[rng.integers(0, 2, count)]
    labels, val_labels = rng.integers(0, 2, count), rng.integers(0, 2, 4)
    expected = np.zeros(count)
    for point, label in zip(validation, val_labels, strict=True):
        cosine = train @ point / np.linalg.norm(train, axis=1) / np.linalg.norm(point)
        order = np.lexsort((labels != label, -cosine.round(6)))
        expected[order] += by_definition((labels == label)[order], neighbors) / 4
    found = knn_shapley(train.astype(np.float32), labels, validation.astype(np.float32), val_labels, neighbors)
    assert found == pytest.approx(expected)


def test_scores_of_a_space_average_to_its_accuracy(signals):
    scores = decide(signals, budget=None, seed=1, params={}).scores.values
    for fold in (0, 1):
        own = signals.folds == fold
        train, validation = signals.embeddings[own], signals.val_embeddings[fold]
        cosine = (train / np.linalg.norm(train, axis=1, keepdims=True)) @ validation.T
        nearest = np.argsort(-cosine, axis=0)[:10]
        accuracy = (signals.labels[own][nearest] == signals.val_labels).mean()
        assert scores[own].mean() == pytest.approx(accuracy, abs=1e-6)


def test_a_fold_is_judged_in_its_own_space(signals):
    own = signals.folds == 1
    alone = Signals(
        ids=signals.ids[own],
        labels=signals.labels[own],
        classes=3,
        embeddings=signals.embeddings[own],
        val_embeddings=signals.val_embeddings[1:],
        val_labels=signals.val_labels,
    )
    whole = decide(signals, budget=None, seed=1, params={}).scores.values
    assert decide(alone, budget=None, seed=1, params={}).scores.values == pytest.approx(whole[own])
