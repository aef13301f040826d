"""The head learns, keeps its checkpoints, and its inputs are shifted and scaled as promised."""

import numpy as np
import pytest

from edgekit.curation.head import probabilities, residuals, softmax, standardized, train_head, whitened


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 900)
    return (rng.normal(size=(3, 5))[y] * 2 + rng.normal(size=(900, 5))).astype(np.float32), y


def test_later_checkpoints_fit_better(blobs):
    h, y = standardized(blobs[0])[0], blobs[1]
    heads = train_head(h, y, 3, seed=0)
    assert len(heads) == 5
    losses = [-np.log(probabilities(h, head)[np.arange(900), y]).mean() for head in heads]
    assert losses == sorted(losses, reverse=True)
    assert (probabilities(h, heads[-1]).argmax(axis=1) == y).mean() > 0.9


def test_a_weight_of_zero_is_a_sample_that_is_not_there(blobs):
    h, y = standardized(blobs[0])[0], blobs[1].copy()
    weights = np.ones(900, np.float32)
    weights[::2] = 0
    wrong = y.copy()
    wrong[::2] = (y[::2] + 1) % 3
    one, other = (train_head(h, labels, 3, seed=0, sample_weights=weights)[-1] for labels in (y, wrong))
    assert one.weights == pytest.approx(other.weights)


def test_residuals_are_the_gradient_of_the_cross_entropy(blobs):
    h, y = blobs[0][:4], blobs[1][:4]
    head = train_head(*blobs, 3, seed=0)[0]
    assert residuals(h, y, head) == pytest.approx(probabilities(h, head) - np.eye(3)[y], abs=1e-6)
    assert softmax(np.array([[1000.0, 0.0]])) == pytest.approx(np.array([[1.0, 0.0]]))


def test_standardized_keeps_directions_and_whitened_evens_them(blobs):
    h = blobs[0] * np.array([10, 1, 1, 1, 0.1], np.float32) + 3
    plain, other = standardized(h, h[:7])
    assert plain.mean(axis=0) == pytest.approx(np.zeros(5), abs=1e-4)
    assert (plain**2).sum(axis=1).mean() == pytest.approx(16, rel=1e-4)
    assert other == pytest.approx(plain[:7], abs=1e-5)
    white, other = whitened(h, h[:7])
    deviations = white.std(axis=0)
    assert deviations.max() / deviations.min() < 40 < (h.std(axis=0).max() / h.std(axis=0).min())
    assert np.corrcoef(white.T) == pytest.approx(np.eye(5), abs=1e-3)
    assert other == pytest.approx(white[:7], abs=1e-4)


def test_constant_embeddings_do_not_divide_by_zero():
    h = np.ones((10, 3), np.float32)
    assert np.isfinite(standardized(h)[0]).all()
    assert np.isfinite(whitened(h)[0]).all()
