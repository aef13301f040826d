import dataclasses

import numpy as np
import pytest

from edgekit.curation.pool import k_center


def on_a_line(pool, unlabeled, labeled):
    def points(x):
        return np.array([[value, 0.0] for value in x], np.float32).reshape(-1, 2)

    return dataclasses.replace(
        pool, embeddings=points(unlabeled), labeled_embeddings=points(labeled), labeled=np.zeros(len(labeled), np.int64)
    )


def test_by_hand(pool):
    # From 0: 10 is farthest; then 4 (4 from 0) before 7 (3 from 10); then 7 before 1.
    scores = k_center.rank(on_a_line(pool, [1, 4, 7, 10], [0]), count=2, seed=0)
    assert scores.tolist() == [pytest.approx(2 / 3), 2, 1, 3]


def test_without_labeled_samples_the_middle_comes_first(pool):
    scores = k_center.rank(on_a_line(pool, [0, 3, 4, 9], []), count=3, seed=0)
    assert np.argsort(-scores).tolist()[:3] == [2, 3, 0]


@pytest.mark.parametrize("cells", [1 << 22, 200])
def test_the_choices_are_those_of_brute_force(pool, cells, monkeypatch):
    monkeypatch.setattr(k_center, "_CELLS", cells)
    centers, left, expected = list(pool.labeled_embeddings), dict(enumerate(pool.embeddings)), []
    for _ in range(15):
        best = max(left, key=lambda i: min(np.linalg.norm(left[i] - center) for center in centers))
        expected.append(best)
        centers.append(left.pop(best))
    scores = k_center.rank(pool, count=15, seed=0)
    assert np.argsort(-scores)[:15].tolist() == expected


def test_copies_are_chosen_once_each(pool):
    scores = k_center.rank(on_a_line(pool, [5, 5, 5], [5]), count=3, seed=0)
    assert sorted(scores.tolist()) == [2, 3, 4]
