"""Samples of different networks never meet."""

import numpy as np
import pytest

from edgekit.curation.spaces import need_embeddings, spaces, unit_rows
from edgekit.errors import DataError, RecipeError
from edgekit.types import Signals


def signals_of(**given):
    return Signals(ids=np.array(list("abcde")), labels=np.array([0, 1, 2, 0, 1]), classes=3, **given)


def test_folds_split_the_samples_beside_their_own_validation_embeddings():
    embeddings = np.arange(10, dtype=np.float32).reshape(5, 2)
    validation = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    folds = np.array([2, 0, 2, 0, 2])
    signals = signals_of(
        embeddings=embeddings, folds=folds, val_embeddings=validation, val_labels=np.array([1, 2], np.int64)
    )
    first, second = spaces(signals)
    assert sorted(first.index.tolist()) == [1, 3]
    assert sorted(second.index.tolist()) == [0, 2, 4]
    assert np.array_equal(second.labels, signals.labels[second.index])
    assert np.array_equal(second.embeddings, embeddings[second.index])
    assert np.array_equal(first.val_embeddings, validation[0])
    assert np.array_equal(second.val_embeddings, validation[2])
    assert second.val_labels.tolist() == [1, 2]


def test_without_folds_there_is_one_space_in_an_order_that_only_content_decides():
    embeddings = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    signals = signals_of(embeddings=embeddings)
    (space,) = spaces(signals)
    assert sorted(space.index.tolist()) == [0, 1, 2, 3, 4]
    order = np.array([3, 0, 4, 2, 1])
    shuffled = Signals(ids=signals.ids[order], labels=signals.labels[order], classes=3, embeddings=embeddings[order])
    (again,) = spaces(shuffled)
    assert np.array_equal(again.embeddings, space.embeddings)
    assert np.array_equal(order[again.index], space.index)
    assert space.val_embeddings is None
    assert space.val_labels is None


def test_a_network_that_did_not_embed_the_validation_samples_is_an_error():
    signals = signals_of(
        embeddings=np.ones((5, 2), np.float32),
        folds=np.array([0, 1, 0, 1, 0]),
        val_embeddings=np.ones((1, 4, 2), np.float32),
        val_labels=np.zeros(4, np.int64),
    )
    with pytest.raises(DataError, match="embedded by 1"):
        next(spaces(signals))


def test_missing_embeddings_are_named():
    with pytest.raises(RecipeError, match="no embeddings"):
        next(spaces(signals_of()))
    with pytest.raises(RecipeError, match="'m' needs embeddings of the training samples"):
        need_embeddings("m", signals_of(), validation=False)
    good = np.ones((5, 2), np.float32)
    with pytest.raises(RecipeError, match="training and validation"):
        need_embeddings("m", signals_of(embeddings=good), validation=True)
    need_embeddings("m", signals_of(embeddings=good), validation=False)


def test_unit_rows_leave_a_row_of_zeros():
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32))
    assert rows == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))
