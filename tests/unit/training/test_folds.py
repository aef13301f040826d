"""Which sample is in which fold."""

import numpy as np
import pytest

from edgekit.errors import DataError
from edgekit.training.gather import fold_numbers
from edgekit.types import Split


def split(y, clip):
    ids = np.array([f"{name}#{i}" for i, name in enumerate(clip)])
    return Split(x=np.zeros((len(y), 1, 1, 1), np.float32), y=np.array(y), ids=ids, clip=np.array(clip))


def test_the_segments_of_a_clip_are_in_one_fold():
    clip = np.repeat([f"clip{i}" for i in range(20)], 3)
    found = fold_numbers(split(np.repeat([0, 1] * 10, 3), clip), 4, 1)
    assert sorted(set(found.tolist())) == [0, 1, 2, 3]
    assert all(len(set(found[clip == name].tolist())) == 1 for name in set(clip.tolist()))


def test_folds_need_clips_and_not_segments():
    clip = np.repeat(["a", "b", "c", "d", "e"], 10)
    with pytest.raises(DataError, match=r"3 folds need 3 samples of each class; label 1 has 2"):
        fold_numbers(split(np.repeat([0, 0, 0, 1, 1], 10), clip), 3, 1)


def plain(sizes, group=None):
    y = np.repeat(np.arange(len(sizes)), sizes)
    ids = np.arange(len(y)).astype(str)
    return Split(x=np.zeros((len(y), 1, 1, 1), np.float32), y=y, ids=ids, group=group)


@pytest.mark.parametrize(("rarest", "folds"), [(9, 5), (4, 4), (2, 2)])
def test_folds_follow_the_rarest_class_where_no_number_was_asked_for(rarest, folds):
    train = plain([30, rarest])
    found = fold_numbers(train, None, 1)
    assert sorted(set(found.tolist())) == list(range(folds))
    assert all(set(train.y[found != number]) == {0, 1} for number in range(folds))


def test_folds_follow_the_number_of_groups_too():
    train = plain([30, 30], group=np.tile(["a", "b", "c"], 20))
    assert fold_numbers(train, None, 1).max() == 2


def test_a_class_of_one_sample_cannot_be_put_into_folds():
    with pytest.raises(DataError, match="2 folds need 2 samples of each class; label 1 has 1"):
        fold_numbers(plain([30, 1]), None, 1)
    with pytest.raises(DataError, match="5 folds need 5 samples of each class; label 1 has 4"):
        fold_numbers(plain([30, 4]), 5, 1)
