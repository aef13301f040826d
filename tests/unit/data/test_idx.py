import gzip
import shutil

import numpy as np
import pytest
from tests.conftest import SHIPPED

from edgekit import data
from edgekit.data import idx
from edgekit.errors import DataError


@pytest.fixture
def folder(tmp_path):
    """A tiny IDX folder: 40 train and 10 test images of 4x4, 2 classes."""
    target = tmp_path / "tiny"
    target.mkdir()
    rng = np.random.default_rng(0)
    for part, count in (("train", 40), ("t10k", 10)):
        images = rng.integers(0, 256, (count, 4, 4), dtype=np.uint8)
        header = b"\0\0\x08\x03" + np.array([count, 4, 4], ">i4").tobytes()
        (target / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = (np.arange(count) % 2).astype(np.uint8)
        header = b"\0\0\x08\x01" + np.array([count], ">i4").tobytes()
        (target / f"{part}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
    return target


def test_gzip_and_plain_files_give_the_same_data(folder, tmp_path):
    packed = tmp_path / "packed" / "tiny"
    packed.mkdir(parents=True)
    for path in folder.iterdir():
        (packed / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    one, two = data.load(str(folder)), data.load(str(packed))
    assert one.fingerprint == two.fingerprint
    assert one.input.shape == (4, 4, 1)
    assert one.classes == ("0", "1")
    assert not one.input.mirrored, "a mirrored digit may be another digit: unknown data must not be flipped"


def test_labels_txt_names_the_classes(folder):
    (folder / "labels.txt").write_text("cat\ndog\n")
    assert data.load(str(folder)).classes == ("cat", "dog")


def test_a_missing_file_is_named(folder):
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="t10k-labels"):
        data.load(str(folder))


def test_a_truncated_gzip_is_refused(tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(SHIPPED, broken)
    path = broken / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(DataError, match="damaged gzip"):
        data.load(str(broken))


def test_a_truncated_plain_file_is_refused(folder):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match=r"promises an array of \(40, 4, 4\)"):
        data.load(str(folder))


def test_other_bytes_are_refused(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(b"PNG")
    with pytest.raises(DataError, match="not an IDX file"):
        data.load(str(folder))


def test_image_and_label_counts_must_match(folder):
    header = b"\0\0\x08\x01" + np.array([39], ">i4").tobytes()
    (folder / "train-labels-idx1-ubyte").write_bytes(header + bytes(39))
    with pytest.raises(DataError, match="40 images but 39 labels"):
        data.load(str(folder))


def test_a_class_without_training_samples_is_an_error(folder):
    (folder / "labels.txt").write_text("cat\ndog\nbird\n")
    with pytest.raises(DataError, match="no training sample of 'bird'"):
        data.load(str(folder))


def test_labels_beyond_the_names_are_an_error(folder):
    (folder / "labels.txt").write_text("cat\n")
    with pytest.raises(DataError, match="expected 0 to 0"):
        data.load(str(folder))


def test_arrays_are_read_only(folder):
    images, _ = idx.read_folder(folder)["train"]
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 1
