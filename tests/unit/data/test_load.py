import gzip
import hashlib
import os
import shutil

import numpy as np
import pytest
from tests.conftest import SHIPPED

from edgekit import data
from edgekit.data import named
from edgekit.data.sources import fashion_mnist
from edgekit.errors import DataError, IntegrityError, RecipeError, UnknownName


def test_the_shipped_set_is_balanced_and_whole(shipped):
    assert np.bincount(shipped.train.y).tolist() == [900] * 10
    assert np.bincount(shipped.test.y).tolist() == [200] * 10
    assert len(shipped.val) == len(shipped.cal) == 500
    assert len(set(shipped.train.ids) | set(shipped.val.ids) | set(shipped.cal.ids)) == 10_000


def test_shipped_digests():
    for line in (SHIPPED / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest() == digest


def test_the_split_is_stratified_and_follows_the_seed(shipped):
    assert np.ptp(np.bincount(shipped.val.y)) <= 1
    other = data.load("fashion-mnist-mini", seed=7)
    assert other.val.ids.tolist() != shipped.val.ids.tolist()
    assert other.fingerprint != shipped.fingerprint
    assert data.load("fashion-mnist-mini").fingerprint == shipped.fingerprint


def test_an_unknown_name_gets_the_closest_one():
    with pytest.raises(UnknownName, match="Did you mean 'fashion-mnist'"):
        data.load("fashon-mnist")


@pytest.mark.parametrize("spec", ["no/such/folder", "missing.npz"])
def test_a_missing_path_is_a_data_error(spec):
    with pytest.raises(DataError, match="does not exist"):
        data.load(spec)


def test_a_file_of_another_kind_is_a_data_error(tmp_path):
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(DataError, match="not a data set"):
        data.load(str(tmp_path / "x.txt"))


def test_options_are_those_of_the_recipe():
    with pytest.raises(TypeError, match=r"load\(\) got an unexpected keyword argument 'skip_bda'"):
        data.load("fashion-mnist-mini", skip_bda=True)
    with pytest.raises(RecipeError, match=r"data\.split_by"):
        data.load("fashion-mnist-mini", split_by="speaker")


def test_a_named_set_is_found_in_edgekit_data_and_labeled_as_what_it_is(tmp_path, monkeypatch):
    shutil.copytree(SHIPPED, tmp_path / "fashion-mnist")
    monkeypatch.setenv("EDGEKIT_DATA", str(tmp_path))
    dataset = data.load("fashion-mnist")
    assert "local copy, differs from the official content" in dataset.source
    assert dataset.classes == fashion_mnist.CLASSES


def test_another_set_in_edgekit_data_is_not_taken_for_the_named_one(tmp_path, monkeypatch):
    shutil.copytree(SHIPPED, tmp_path / "fashion-mnist")
    monkeypatch.setenv("EDGEKIT_DATA", str(tmp_path / "fashion-mnist"))
    _no_network(monkeypatch)
    with pytest.raises(DataError, match="could not be downloaded"):
        data.load("mnist")


def _no_network(monkeypatch):
    import pooch

    def offline(self, url, output, downloader):
        raise OSError("offline")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", offline)


@pytest.fixture
def mirror(own_cache, monkeypatch):
    """The outermost port: URLs are answered from the shipped files, gzipped anew. Yields (the set, what was asked)."""
    import pooch

    asked = []

    def answer(self, url, output, downloader):
        asked.append(url)
        name = url.rsplit("/", 1)[1]
        content = gzip.decompress((SHIPPED / name).read_bytes())
        with open(output, "wb") as file:
            file.write(gzip.compress(content, 1))

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", answer)
    stems = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    digests = {s: hashlib.sha256(gzip.decompress((SHIPPED / f"{s}.gz").read_bytes())).hexdigest() for s in stems}
    return (
        named.Named(name="toy", urls=("http://mirror",), digests=digests, classes=fashion_mnist.CLASSES, mirrored=True),
        asked,
    )


def test_a_missing_set_is_downloaded_once_and_a_regzipped_copy_counts(mirror):
    toy, asked = mirror
    assert "from download (official content)" in named.read(toy).source
    assert len(asked) == 4
    assert "the user cache" in named.read(toy).source
    assert len(asked) == 4


def test_a_download_with_other_content_is_refused_and_not_kept(mirror, own_cache):
    toy, _ = mirror
    wrong = named.Named(
        name="toy", urls=toy.urls, digests=dict.fromkeys(toy.digests, "0" * 64), classes=toy.classes, mirrored=True
    )
    with pytest.raises(IntegrityError, match="not the official file"):
        named.read(wrong)
    assert not [name for _, _, names in os.walk(own_cache) for name in names]
