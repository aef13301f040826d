import numpy as np
import pytest

from edgekit import data
from edgekit.errors import DataError


def arrays(**changes):
    rng = np.random.default_rng(0)
    base = {
        "x_train": rng.integers(0, 256, (60, 6, 6), dtype=np.uint8),
        "y_train": np.arange(60) % 3,
        "x_test": rng.integers(0, 256, (12, 6, 6), dtype=np.uint8),
        "y_test": np.arange(12) % 3,
    }
    return {key: value for key, value in (base | changes).items() if value is not None}


def load(tmp_path, **changes):
    path = tmp_path / "d.npz"
    np.savez(path, **arrays(**changes))
    return data.load(str(path))


def test_a_channel_is_added_and_ids_follow_array_order(tmp_path):
    dataset = load(tmp_path, classes=np.array(["a", "b", "c"]))
    assert dataset.input.shape == (6, 6, 1)
    assert dataset.classes == ("a", "b", "c")
    assert dataset.test.ids[:2].tolist() == ["test/0", "test/1"]
    assert set(dataset.train.ids) | set(dataset.val.ids) | set(dataset.cal.ids) == {f"train/{i}" for i in range(60)}


def test_own_val_and_cal_are_used_as_they_are(tmp_path):
    x, y = np.zeros((6, 6, 6), np.uint8), np.arange(6) % 3
    dataset = load(tmp_path, x_val=x, y_val=y, x_cal=x, y_cal=y)
    assert (len(dataset.train), len(dataset.val), len(dataset.cal)) == (60, 6, 6)
    only_val = load(tmp_path, x_val=x, y_val=y)
    assert len(only_val.val) == 6
    assert len(only_val.train) + len(only_val.cal) == 60


def test_groups_travel_with_their_samples(tmp_path):
    dataset = load(tmp_path, group_train=np.array([f"g{i % 4}" for i in range(60)]))
    for name, group in zip(dataset.train.ids, dataset.train.group, strict=True):
        assert group == f"g{int(name.split('/')[1]) % 4}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": None}, "has no y_train"),
        ({"y_test": None}, "only one of x_test and y_test"),
        ({"x_train": np.full((60, 6, 6), np.nan, np.float32)}, "NaN"),
        ({"x_train": np.full((60, 6, 6), 255.0)}, r"must be in \[0, 1\]"),
        ({"x_train": np.zeros((60, 6, 6), np.int32)}, "dtype int32"),
        ({"x_train": np.zeros((60, 36), np.uint8)}, "shape"),
        ({"x_train": np.zeros((59, 6, 6), np.uint8)}, "59 images but 60 labels"),
        ({"y_train": np.arange(60) % 3 - 1}, "Labels run from -1"),
        ({"y_train": (np.arange(60) % 3).astype(float)}, "one integer label"),
        ({"y_train": np.zeros(60, int), "y_test": np.zeros(12, int)}, "at least 2"),
        ({"x_test": np.zeros((12, 5, 6), np.uint8)}, "test images are"),
        ({"x_test": np.zeros((0, 6, 6), np.uint8), "y_test": np.zeros(0, int)}, "test has no samples"),
        ({"x_val": np.zeros((6, 6, 6), np.uint8)}, "only one of x_val"),
        ({"y_train": np.array([0] * 59 + [2**31])}, "run up to 2147483648"),
        ({"classes": np.array(["a", "b", "a"])}, "two classes are named 'a'"),
        ({"x_test": np.zeros((12, 6, 6), np.float32)}, "use one type"),
        ({"x_train": np.array([{}] * 60, dtype=object)}, "Python objects"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        load(tmp_path, **changes)


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "d.npz"
    np.savez(path, **arrays())
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match="not a readable"):
        data.load(str(path))


def test_floats_in_the_unit_interval_pass(tmp_path):
    dataset = load(tmp_path, x_train=np.full((60, 6, 6), 0.5), x_test=np.full((12, 6, 6), 0.5))
    assert dataset.train.x.dtype == np.float32
