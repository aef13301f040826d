import numpy as np
import pytest

from edgekit import data, recipe
from edgekit.errors import DataError, RecipeError


def saved(tmp_path, counts, **more):
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    x = np.arange(len(y), dtype=np.uint8).reshape(-1, 1, 1)
    np.savez(tmp_path / "s.npz", x_train=x, y_train=y, **more)
    return str(tmp_path / "s.npz")


def folds(spec, count):
    return [data.load(spec, cv=count, fold=number) for number in range(1, count + 1)]


@pytest.mark.parametrize("counts", [[30, 30], [5] * 20, [40, 4], [9, 2]])
def test_every_sample_is_tested_once_and_no_test_part_is_cut(tmp_path, counts):
    spec = saved(tmp_path, counts)
    whole, found = data.load(spec, cv=5), folds(spec, 5)
    assert len(whole.test) == 0
    assert whole.portions.keys() == {"val_fraction"}
    tested = np.concatenate([fold.test.ids for fold in found])
    assert sorted(tested) == sorted(np.concatenate([whole.train.ids, whole.val.ids, whole.cal.ids]))
    for fold in found:
        own = [getattr(fold, part).ids for part in ("train", "val", "cal", "test")]
        assert len(np.unique(np.concatenate(own))) == sum(counts)
        shares = np.bincount(fold.test.y, minlength=len(counts))
        assert (abs(shares - np.array(counts) / 5) < 1).all()


def test_groups_stay_whole(tmp_path):
    spec = saved(tmp_path, [40, 40], group_train=np.array([f"g{i % 7}" for i in range(80)]))
    for fold in folds(spec, 5):
        assert not set(fold.test.group) & {name for part in (fold.train, fold.val, fold.cal) for name in part.group}
    with pytest.raises(DataError, match=r"8 folds need 8 groups, since a group stays whole; found 7 \(--cv 7\)"):
        data.load(spec, cv=8)


def test_a_test_part_of_its_own_stays_and_the_training_samples_are_the_folds(tmp_path):
    x, y = np.zeros((6, 1, 1), np.uint8), np.arange(6) % 2
    spec = saved(tmp_path, [30, 30], x_test=x, y_test=y)
    assert data.load(spec, cv=3).test.ids.tolist() == [f"test/{i}" for i in range(6)]
    assert all(set(fold.test.ids) <= {f"train/{i}" for i in range(60)} for fold in folds(spec, 3))


def test_a_class_of_one_sample_cannot_be_cross_validated(tmp_path):
    with pytest.raises(DataError, match=r"Without fold \d of 5, no sample of label 1 is left"):
        data.load(saved(tmp_path, [30, 1]), cv=5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": {"fold": 2}}, "expected a fold from 1 to cv"),
        ({"data": {"cv": 3, "fold": 4}}, "expected a fold from 1 to cv"),
        ({"data": {"cv": 5}, "control": True, "curation": {"method": "iqr"}}, "control compares two files"),
        ({"data": {"cv": 5}, "curation": {"apply": "edits.jsonl"}}, "made by someone who saw every sample"),
    ],
)
def test_what_does_not_go_with_folds_is_refused(values, message):
    with pytest.raises(RecipeError, match=message):
        recipe.from_mapping(values)
