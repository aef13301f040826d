import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from edgekit import data
from edgekit.data.sources import cifar10_jpeg
from edgekit.errors import DataError
from edgekit.types import ReadOptions


def jpeg(value):
    buffer = io.BytesIO()
    noise = np.random.default_rng(value).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()


FILES = {
    f"{part}/{name}/{i:04}.jpg": jpeg(k * 100 + i + 50 * (part == "test"))
    for part, each in (("train", 12), ("test", 3))
    for k, name in enumerate(("airplane", "truck"))
    for i in range(each)
}


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A function that writes the archive into $EDGEKIT_DATA."""
    monkeypatch.setenv("EDGEKIT_DATA", str(tmp_path))

    def write(files=FILES, **links):
        with tarfile.open(tmp_path / cifar10_jpeg.ARCHIVE, "w") as tar:
            for name, content in reversed(files.items()):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            for name, target in links.items():
                info = tarfile.TarInfo(f"train/airplane/{name}.jpg")
                info.type, info.linkname = tarfile.SYMTYPE, target
                tar.addfile(info)
        return tmp_path

    return write


def read():
    return cifar10_jpeg.read("cifar10-jpeg", ReadOptions())


def test_it_is_what_the_same_files_in_folders_are(archive):
    root = archive({f"./{name}": content for name, content in FILES.items()}) / "unpacked"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    expected = data.load(str(root), split=False)
    for _ in range(2):  # decoded, then from the cache
        found = read()
        assert found.classes == expected.classes == ("airplane", "truck")
        for part, other in ((found.train, expected.train), (found.test, expected.test)):
            assert part.ids.tolist() == other.ids.tolist()
            assert np.array_equal(part.x, other.x)
            assert np.array_equal(part.y, other.y)
    assert found.mirrored


def test_a_changed_archive_is_decoded_anew(archive):
    archive()
    before = read().train.x[0].copy()
    archive(FILES | {"train/airplane/0000.jpg": jpeg(999)})
    assert not np.array_equal(read().train.x[0], before)


@pytest.mark.parametrize(
    "name", ["../escape.jpg", "/etc/train/a.jpg", "train/../../a.jpg", "train/a.jpg", "other/a/b.jpg"]
)
def test_members_elsewhere_are_refused(archive, name):
    archive(FILES | {name: jpeg(1)})
    with pytest.raises(DataError, match="expected only files"):
        read()


def test_links_and_damaged_archives_and_images_are_refused(archive):
    archive(link="/etc/passwd")
    with pytest.raises(DataError, match="expected only files"):
        read()
    archive(FILES | {"train/truck/0000.jpg": b"x"})
    with pytest.raises(DataError, match=r"train/truck/0000\.jpg"):
        read()
    folder = archive({name: content for name, content in FILES.items() if name.startswith("train")})
    with pytest.raises(DataError, match="no images"):
        read()
    (folder / cifar10_jpeg.ARCHIVE).write_bytes(b"x" * 600)
    with pytest.raises(DataError, match="not a readable tar"):
        read()


def test_where_to_put_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEKIT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"Put cifar10-jpg\.tar .* set EDGEKIT_DATA"):
        read()
