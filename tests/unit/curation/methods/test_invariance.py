"""What holds for every method: names and the order of the rows change nothing, and missing signals are named."""

import numpy as np
import pytest

from edgekit.curation.methods import ccs, duplicates, glister, knn_agreement, knn_shapley
from edgekit.errors import RecipeError
from edgekit.types import Signals

METHODS = [
    (knn_shapley, {}),
    (knn_agreement, {}),
    (glister, {}),
    (ccs, {}),
    (ccs, {"variant": "aum", "beta": 0.2}),
    (duplicates, {"epsilon": 1e-6}),
]


@pytest.mark.parametrize(("method", "params"), METHODS)
def test_new_names_and_another_order_of_rows_change_nothing(method, params, signals, reordered, monkeypatch):
    # The order in which a head's SGD meets the samples is drawn from the seed by row: hold the head fixed.
    if method is glister:
        head = glister.train_head(signals.embeddings, signals.labels, 3, seed=0)
        monkeypatch.setattr(glister, "train_head", lambda *_, **__: head)
    order = np.random.default_rng(1).permutation(len(signals.ids))
    before = method.decide(signals, budget=150, seed=4, params=params)
    after = method.decide(reordered(signals, order), budget=150, seed=4, params=params)
    assert after.scores.values == pytest.approx(before.scores.values[order], abs=1e-5)
    assert before.scores.values.dtype == np.float32
    if before.drop is not None:
        assert {int(order[i]) for i in after.drop} == set(before.drop)


@pytest.mark.parametrize(("method", "params"), METHODS)
def test_the_same_seed_gives_the_same_decision(method, params, signals):
    first, again = (method.decide(signals, budget=150, seed=4, params=params) for _ in range(2))
    assert np.array_equal(first.scores.values, again.scores.values)
    assert first.drop == again.drop


@pytest.mark.parametrize(("method", "params"), METHODS)
def test_missing_signals_are_an_error_that_names_the_method(method, params):
    bare = Signals(ids=np.array(["a", "b"]), labels=np.array([0, 1]), classes=2)
    with pytest.raises(RecipeError, match="needs"):
        method.decide(bare, budget=1, seed=1, params=params)


@pytest.mark.parametrize("method", [knn_shapley, knn_agreement, glister])
def test_wrong_labels_score_lower(method, signals):
    values = method.decide(signals, budget=None, seed=1, params={}).scores.values
    assert np.median(values[:30]) < np.quantile(values[30:], 0.25)
