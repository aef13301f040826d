import numpy as np
import pytest

from edgekit.curation.stability import stability, variations
from edgekit.errors import DataError
from edgekit.types import Signals


def test_by_hand():
    # Lowest two: {0, 1}, {0, 2}, {0, 1}. Spearman by 1 - 6 sum d^2 / (n (n^2 - 1)), n = 4.
    runs = [np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4]), np.array([2.0, 1, 3, 4])]
    found = stability(runs, 0.5)
    assert (found.runs, found.edits) == (3, 2)
    assert found.jaccard_mean == pytest.approx((1 / 3 + 1 + 1 / 3) / 3)
    assert found.jaccard_min == pytest.approx(1 / 3)
    assert found.jaccard_chance == pytest.approx(0.5 / 1.5)
    assert found.spearman_mean == pytest.approx((0.8 + 0.8 + 0.4) / 3)
    assert found.spearman_min == pytest.approx(0.4)


def test_random_scores_show_the_chance_level():
    rng = np.random.default_rng(0)
    found = stability([rng.random(5000) for _ in range(6)], 0.1)
    assert found.jaccard_chance == pytest.approx(0.1 / 1.9)
    assert found.jaccard_mean == pytest.approx(found.jaccard_chance, abs=0.01)
    assert found.spearman_mean == pytest.approx(0, abs=0.02)


def test_equal_scores_have_no_rank_correlation():
    found = stability([np.ones(10), np.arange(10.0)], 0.2)
    assert found.jaccard_mean == 1
    assert found.spearman_mean is None


@pytest.mark.parametrize(
    ("runs", "share"),
    [
        ([np.ones(3)], 0.5),
        ([np.ones(3), np.ones(4)], 0.5),
        ([np.ones(3), np.ones(3)], 0.0),
        ([np.ones(3), np.array([1, np.nan, 2])], 0.5),
    ],
)
def test_what_cannot_be_compared_is_refused(runs, share):
    with pytest.raises(DataError):
        stability(runs, share)


def test_variations_change_what_they_name_and_nothing_else():
    rng = np.random.default_rng(0)
    signals = Signals(
        ids=np.arange(20).astype(str),
        labels=np.arange(20) % 2,
        classes=2,
        margins=np.arange(80.0).reshape(4, 20).astype(np.float32),
        errors=np.zeros((4, 20), np.float32),
        embeddings=rng.normal(size=(20, 6)).astype(np.float32),
        val_embeddings=rng.normal(size=(1, 5, 6)).astype(np.float32),
        val_labels=np.arange(5) % 2,
    )
    found = dict(variations(signals, 0))
    assert list(found) == ["random projections", "checkpoints"]
    for view in found["random projections"]:
        assert view.embeddings.shape == (20, 3)
        assert view.val_embeddings.shape == (1, 5, 3)
        assert view.margins is signals.margins
    first, second = found["checkpoints"]
    assert np.array_equal(np.concatenate([first.margins, second.margins]), signals.margins)
    assert list(variations(Signals(ids=signals.ids, labels=signals.labels, classes=2), 0)) == []
