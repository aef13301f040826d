"""CIFAR-10 (Krizhevsky 2009) as JPEG files in one archive: 50,000 train and 10,000 test images, 32x32 color.

The files were re-encoded by a third party (about quality 75, 4:2:0 chroma): accuracy on them is lower than published CIFAR-10
figures and compares only with networks trained and tested on the same files.
"""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path, PurePosixPath

import numpy as np

from edgekit.data.decode import RULES
from edgekit.data.images import read_images
from edgekit.data.labels import names_in_order
from edgekit.data.splits import parts_of
from edgekit.errors import DataError
from edgekit.runs.cache import StageCache, cache_root
from edgekit.runs.code import code_digest
from edgekit.runs.files import sha256_file
from edgekit.types import RawData, ReadOptions

ARCHIVE = "cifar10-jpg.tar"
_NAME = "cifar10-jpeg"
_PARTS = ("train", "test")


def archive() -> Path | None:
    """Where the archive is: in $EDGEKIT_DATA, else in the user cache; None if in neither."""
    roots = [Path(root)] if (root := os.environ.get("EDGEKIT_DATA")) else []
    return next((path for folder in (*roots, cache_root() / "data") if (path := folder / ARCHIVE).is_file()), None)


def read(spec: str, options: ReadOptions) -> RawData:
    """Read the set; `spec` is its name. Ids are the paths in the archive, such as "train/airplane/0000.jpg".

    The archive is never unpacked: its members are decoded in place, once, and the pixels are kept in the stage cache.

    Raises:
        DataError: the archive is not on this machine, or contains anything but images in train/<class>/ and test/<class>/.
    """
    path = archive()
    if path is None:
        raise DataError(
            f"{_NAME} is not on this machine. Put {ARCHIVE} (train/<class>/*.jpg and test/<class>/*.jpg) into a folder "
            "and set EDGEKIT_DATA to that folder."
        )
    key = {"archive": sha256_file(path), "rules": RULES, "code": code_digest(__name__)}
    folder = StageCache().run(f"data_{_NAME}", key, lambda into: _decode(path, into))
    x = np.asarray(np.load(folder / "x.npy", mmap_mode="r"))
    ids: list[str] = json.loads((folder / "ids.json").read_text())
    parts, labels = np.array([name.split("/")[:2] for name in ids]).T
    classes = names_in_order(labels[parts == "train"].tolist())
    if strange := sorted(set(labels.tolist()) - set(classes)):
        raise DataError(f"{path}: test has the class {strange[0]!r}, which train lacks.")
    number = {name: k for k, name in enumerate(classes)}
    y = np.array([number[label] for label in labels.tolist()], np.int64)
    return RawData(
        name=_NAME,
        source=f"{_NAME} from {path.name} (re-encoded as JPEG: compare only with results on the same files)",
        classes=classes,
        mirrored=True,
        **parts_of(parts, x, y, np.array(ids), None),
    )


def _decode(path: Path, folder: Path) -> None:
    """Write x.npy, (N, 32, 32, 3) uint8, and ids.json to `folder`, train before test, each sorted by name."""
    where = _members(path)
    ids = sorted(where, key=lambda name: (_PARTS.index(name.split("/")[0]), name))
    with open(path, "rb") as file:
        # pread does not move the file's position, so threads may share it.
        x, _, _ = read_images(
            lambda i: os.pread(file.fileno(), where[ids[i]][1], where[ids[i]][0]),
            lambda i: f"{path.name}: {ids[i]}",
            len(ids),
            size=None,
            channels=3,
            skip_bad=False,
        )
    np.save(folder / "x.npy", np.asarray(x[:]))
    (folder / "ids.json").write_text(json.dumps(ids))


def _members(path: Path) -> dict[str, tuple[int, int]]:
    """name -> (offset, bytes) of each image."""
    members: dict[str, tuple[int, int]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                parts = PurePosixPath(member.name).parts
                if member.isdir() or (parts and parts[-1].startswith(".") and parts[-1] != ".."):
                    continue
                if not member.isreg() or len(parts) != 3 or parts[0] not in _PARTS or ".." in parts:
                    raise DataError(
                        f"{path} contains {member.name!r}; expected only files train/<class>/<name> and test/<class>/<name>."
                    )
                members["/".join(parts)] = (member.offset_data, member.size)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{path} is not a readable tar archive: {error}.") from None
    if any(not any(name.startswith(f"{part}/") for name in members) for part in _PARTS):
        raise DataError(f"{path} has no images in train/<class>/ or none in test/<class>/.")
    return members
