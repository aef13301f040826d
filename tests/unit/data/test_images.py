import threading

import numpy as np
import pytest
from tests.unit.data import pictures

from edgekit import data
from edgekit.data import images
from edgekit.data.ahead import Ahead
from edgekit.data.fingerprint import fingerprint
from edgekit.data.images import LazyImages, join, read_images
from edgekit.data.splits import take
from edgekit.errors import DataError
from edgekit.types import Split


@pytest.fixture
def files(tmp_path):
    return [pictures.save(tmp_path / f"{i}.png", i * 10, mode="RGB") for i in range(20)]


def read(files, **options):
    return read_images(
        lambda i: files[i].read_bytes(),
        lambda i: files[i].name,
        len(files),
        **{"size": None, "skip_bad": False} | options,
    )[0]


@pytest.fixture
def lazy(files, monkeypatch):
    monkeypatch.setattr(images, "IN_MEMORY_BYTES", 0)
    return read(files)


def test_small_sets_are_arrays_and_large_ones_are_not(files, lazy, monkeypatch):
    assert isinstance(lazy, LazyImages)
    monkeypatch.setattr(images, "IN_MEMORY_BYTES", 20 * 8 * 8 * 3)
    assert isinstance(read(files), np.ndarray)
    monkeypatch.setattr(images, "IN_MEMORY_BYTES", 20 * 8 * 8 * 3 - 1)
    assert isinstance(read(files), LazyImages)


def test_lazy_images_index_like_an_array(files, lazy, monkeypatch):
    monkeypatch.undo()
    whole = read(files)
    assert lazy.shape == whole.shape == (20, 8, 8, 3)
    assert (lazy.ndim, lazy.dtype, len(lazy)) == (4, np.uint8, 20)
    mask = np.arange(20) % 3 == 0
    for index in (
        3,
        -1,
        np.int64(5),
        slice(2, 18, 2),
        slice(None),
        np.array([7, 1, 1]),
        [19, 0],
        mask,
        [],
        slice(30, 40),
    ):
        expected = whole[np.asarray(index, int)] if isinstance(index, list) else whole[index]
        assert np.array_equal(lazy[index], expected)
        assert lazy[index].shape == expected.shape
    with pytest.raises(IndexError):
        lazy[20]


def test_take_and_join_decode_nothing(files, lazy):
    for path in files:
        path.unlink()
    part = lazy.take(np.array([4, 2])).take(slice(1, None))
    assert join([part, lazy]).shape == (21, 8, 8, 3)
    with pytest.raises(DataError, match=r"2\.png changed while it was in use: No such file"):
        part[0]


def test_gray_among_color_is_color(files, tmp_path):
    files.append(pictures.save(tmp_path / "gray.png", 99))
    x = read(files)
    assert x.shape == (21, 8, 8, 3)
    assert np.array_equal(x[20, ..., 0], x[20, ..., 2])


def test_the_fingerprint_of_lazy_images_follows_the_files_content_and_order(files, lazy):
    def digest(x):
        return fingerprint(("a",), Split(x=x, y=np.zeros(len(x), int), ids=np.arange(len(x)).astype(str)))

    assert digest(lazy) == digest(read(files))
    assert digest(lazy) != digest(lazy.take(np.arange(20)[::-1]))
    assert digest(lazy) != digest(read(files, size=(4, 4)))
    pictures.save(files[7], 200, mode="RGB")
    assert digest(lazy) != digest(read(files))


def test_batches_ahead_come_in_order_and_leave_no_thread(files, lazy, monkeypatch):
    monkeypatch.undo()
    whole = read(files)
    indices = [np.random.default_rng(i).permutation(20)[:6] for i in range(30)]
    before = threading.active_count()
    with Ahead(lazy, indices) as batches:
        for index, batch in zip(indices, batches, strict=True):
            assert np.array_equal(batch, whole[index])
    assert threading.active_count() == before
    assert all(np.array_equal(a, whole[i]) for a, i in zip(Ahead(whole, indices), indices, strict=True))


def test_breaking_off_leaves_no_thread_and_no_endless_wait(lazy):
    before = threading.active_count()
    with Ahead(lazy, (np.arange(20) for _ in range(10**9))) as batches:
        next(batches)
    assert threading.active_count() == before
    assert list(batches) == []


def test_an_error_while_decoding_ahead_reaches_the_consumer(files, lazy):
    files[3].write_bytes(b"")
    with Ahead(lazy, [np.arange(6)] * 3) as batches, pytest.raises(DataError, match=r"3\.png changed"):
        next(batches)


def test_a_data_set_larger_than_memory_has_the_same_splits_as_a_small_one(tmp_path, monkeypatch):
    root = pictures.classes(tmp_path / "pets")
    small = data.load(str(root), val_fraction=0.3)
    monkeypatch.setattr(images, "IN_MEMORY_BYTES", 0)
    large = data.load(str(root), val_fraction=0.3)
    for part in ("train", "val", "cal", "test"):
        one, other = getattr(small, part), getattr(large, part)
        assert isinstance(other.x, LazyImages)
        assert one.ids.tolist() == other.ids.tolist()
        assert np.array_equal(one.x, other.x[:])
    lines = [f"{name}/{i:03}.png,camera{i % 4}" for name in ("cat", "dog") for i in range(20)]
    (root / "groups.csv").write_text("path,group\n" + "\n".join(lines))
    left_out = data.load(str(root), leave_out="camera1", val_fraction=0.3)
    assert isinstance(left_out.test.x, LazyImages)
    assert set(left_out.test.ids) == {line.split(",")[0] for line in lines if line.endswith("camera1")}
    assert take(large.train, np.array([0, 1])).x.shape == (2, 8, 8, 1)
