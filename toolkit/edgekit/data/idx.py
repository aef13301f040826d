"""The IDX format of MNIST: magic 0, 0, type, rank; rank big-endian int32 sizes; the values, row-major.

Only unsigned bytes (type 8) are read: that is what every MNIST-style image set uses.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError

STEMS = {"train": "train", "test": "t10k"}


def find(folder: Path, part: str, kind: str) -> Path | None:
    """The IDX file of `part` ("train" or "test") and `kind` ("images" or "labels") in `folder`, gzip or not."""
    rank = 3 if kind == "images" else 1
    stem = STEMS[part]
    for name in (f"{stem}-{kind}-idx{rank}-ubyte", f"{stem}-{kind}.idx{rank}-ubyte"):
        for path in (folder / f"{name}.gz", folder / name):
            if path.is_file():
                return path
    return None


def read_bytes(path: Path) -> bytes:
    """The file's content, decompressed if it is gzip. Raises DataError if it cannot be read or is truncated."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.") from None
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} is a damaged gzip file ({error}); download it again.") from None


def parse(content: bytes, path: Path, rank: int) -> NDArray[np.uint8]:
    """The array of an IDX file of `rank` dimensions, read-only. Raises DataError that says what was expected and found."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != 8 or content[3] != rank:
        raise DataError(
            f"{path} is not an IDX file of unsigned bytes with {rank} dimensions "
            f"(expected it to start with 00 00 08 0{rank}, found {content[:4].hex(' ') or 'nothing'})."
        )
    header = 4 + 4 * rank
    if len(content) < header:
        raise DataError(f"{path} ends inside its header ({len(content)} of {header} bytes).")
    shape = tuple(int(n) for n in np.frombuffer(content, ">i4", rank, 4))
    expected = header + int(np.prod(shape, dtype=np.int64))
    if min(shape) < 0 or len(content) != expected:
        raise DataError(f"{path} promises an array of {shape} ({expected} bytes), but has {len(content)} bytes.")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def read_folder(folder: Path) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Images (N, H, W, 1) and labels (N,) of "train" and "test" in an IDX folder.

    Raises:
        DataError: a file is missing or damaged, or the number of images and labels differs.
    """
    parts = {}
    for part in STEMS:
        arrays: list[NDArray[np.uint8]] = []
        for kind, rank in (("images", 3), ("labels", 1)):
            path = find(folder, part, kind)
            if path is None:
                raise DataError(
                    f"{folder} has no {STEMS[part]}-{kind}-idx{rank}-ubyte(.gz): an IDX folder needs images and labels "
                    "of train and t10k."
                )
            arrays.append(parse(read_bytes(path), path, rank))
        images, labels = arrays
        if len(images) != len(labels):
            raise DataError(f"{folder}: {part} has {len(images)} images but {len(labels)} labels; they must match.")
        parts[part] = (images[..., None], labels.astype(np.int64))
    return parts
