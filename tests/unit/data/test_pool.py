import numpy as np
import pytest
from PIL import Image
from tests.unit.data import pictures

from edgekit import data
from edgekit.errors import DataError


def pool(path, shape=(8, 8, 1), **options):
    return data.load_pool(str(path), shape=shape, **options)


def test_a_folder_flat_or_nested_in_the_shape_of_the_data_set(tmp_path):
    pictures.save(tmp_path / "p" / "b.png", 50, size=(20, 30), mode="RGB")
    pictures.save(tmp_path / "p" / "deep" / "er" / "a.jpg", 80)
    found, skipped = pool(tmp_path / "p")
    assert found.ids.tolist() == ["b.png", "deep/er/a.jpg"]
    assert found.y.tolist() == [-1, -1]
    assert found.x.shape == (2, 8, 8, 1)
    assert skipped == ()
    assert pool(tmp_path / "p", (4, 6, 3))[0].x.shape == (2, 4, 6, 3)
    gray = np.asarray(Image.open(tmp_path / "p" / "deep" / "er" / "a.jpg"))
    assert np.array_equal(found.x[1, ..., 0], gray)


def test_bad_files_are_listed_or_left_out(tmp_path):
    pictures.save(tmp_path / "p" / "a.png")
    (tmp_path / "p" / "b.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 2 images cannot be read: b\.png"):
        pool(tmp_path / "p")
    found, skipped = pool(tmp_path / "p", skip_bad=True)
    assert found.ids.tolist() == ["a.png"]
    assert skipped[0].path == "b.png"


def test_the_unlabeled_table_of_kaggle_and_a_list_of_paths(tmp_path):
    (tmp_path / "test.csv").write_text("a,b,c,d\n0,64,128,255\n1,2,3,4\n")
    found, _ = pool(tmp_path / "test.csv", (2, 2, 1))
    assert found.ids.tolist() == ["pool/0", "pool/1"]
    assert found.x[0].ravel().tolist() == [0, 64, 128, 255]
    assert pool(tmp_path / "test.csv")[0].x.shape == (2, 8, 8, 1)
    pictures.save(tmp_path / "x" / "a.png")
    (tmp_path / "list.csv").write_text("path\nx/a.png\nx/a.png\n")
    assert pool(tmp_path / "list.csv")[0].ids.tolist() == ["x/a.png"]


def test_arrays(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "p.npz", x_train=x, y_train=np.zeros(3, int))
    assert np.array_equal(pool(tmp_path / "p.npz")[0].x[..., 0], x)
    np.savez(tmp_path / "p.npz", x=x / 255)
    found, _ = pool(tmp_path / "p.npz", (4, 4, 1))
    assert found.x.dtype == np.float32
    assert found.x.shape == (3, 4, 4, 1)
    with pytest.raises(DataError, match="images of 1 channels; the data set has 3"):
        pool(tmp_path / "p.npz", (8, 8, 3))
    np.savez(tmp_path / "p.npz", z=x)
    with pytest.raises(DataError, match="neither x nor x_train; it contains z"):
        pool(tmp_path / "p.npz")


def test_what_is_no_pool_is_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        pool(tmp_path / "nothing")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match="is not a pool"):
        pool(tmp_path / "a.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no PNG"):
        pool(tmp_path / "empty")
