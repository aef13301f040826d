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
