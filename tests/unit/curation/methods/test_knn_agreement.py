import numpy as np
import pytest

from edgekit.curation.methods import knn_agreement as module
from edgekit.curation.methods.knn_agreement import agreement, decide


def one_by_one(embeddings, labels, neighbors):
    """The docstring's formula with a loop, for embeddings without ties."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    scores = []
    for i in range(len(unit)):
        nearest = sorted((j for j in range(len(unit)) if j != i), key=lambda j: -(unit[i] @ unit[j]))[:neighbors]
        size = len(nearest)
        agree = [labels[j] == labels[i] for j in nearest]
        lean = sum((1 if same else -1) * (unit[i] @ unit[j]) for same, j in zip(agree, nearest, strict=True))
        scores.append(sum(agree) / size + lean / size / (2 * size + 1))
    return np.array(scores)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [2, 6, 40])
def test_blocks_equal_a_loop(seed, count, monkeypatch):
    monkeypatch.setattr(module, "_CELLS", 100)
    rng = np.random.default_rng(seed)
    embeddings, labels = rng.normal(size=(count, 4)).astype(np.float32), rng.integers(0, 3, count)
    assert agreement(embeddings, labels) == pytest.approx(one_by_one(embeddings, labels, 10), abs=1e-6)


def test_similarity_decides_only_among_equal_shares(signals):
    values = agreement(signals.embeddings, signals.labels, 5)
    shares = np.rint(values * 5)
    assert (abs(values * 5 - shares) <= 5 / 11 + 1e-6).all()
    assert len(np.unique(values)) > 250


def test_tied_neighbors_share_the_last_places():
    # Sample 0 has one neighbor at hand and four copies of another: with 3 places the copies get 2, half a place each.
    embeddings = np.array([[1, 0], [1, 0.1], *[[0, 1]] * 4], np.float32)
    score = agreement(embeddings, np.array([0, 0, 0, 1, 1, 1]), 3)[0]
    near = 1 / np.sqrt(1.01)
    assert score == pytest.approx((1 + 0.5 + near / 7) / 3)


def test_exact_copies_of_a_sample_count_as_neighbors_and_the_sample_itself_does_not():
    embeddings = np.ones((4, 2), np.float32)
    scores = agreement(embeddings, np.array([0, 1, 1, 1]), 10)
    assert scores[0] == pytest.approx(0 - 1 / 7)
    assert scores[1:] == pytest.approx(2 / 3 + 1 / 21)


def test_neighbors_come_from_the_same_fold(signals):
    own = signals.folds == 1
    whole = decide(signals, budget=None, seed=1, params={}).scores.values
    assert whole[own] == pytest.approx(agreement(signals.embeddings[own], signals.labels[own]), abs=1e-6)


def test_a_sample_alone_is_neutral():
    assert agreement(np.ones((1, 2), np.float32), np.array([0])).tolist() == [0.5]
