"""Inputs to label, chunk by chunk: images, folders of them, tables of pixels, .npz arrays and IDX files."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data import idx, tables
from edgekit.data.audio import reading
from edgekit.data.decode import FORMATS, SUFFIXES, resize
from edgekit.data.images import read_images
from edgekit.data.listing import images_in
from edgekit.data.sources.npz import images_of, read_arrays
from edgekit.errors import DataError
from edgekit.types import Skipped

CHUNK_BYTES = 32 * 1024**2
_BATCHES = 64
_EXPECTED = "an image or a clip, a folder of them, a .csv, a .npz or an IDX file of images"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chunk:
    """names: the user's name of each input; x: (n, H, W, C) uint8, or float32 in [0, 1]; resized: how many were not H x W.

    skipped: files that cannot be read. clip: (n,) the index in `names` of the clip that each row is a segment of; None = a row
    is a whole input.
    """

    names: Sequence[str]
    x: NDArray[Any]
    resized: int
    skipped: tuple[Skipped, ...] = ()
    clip: NDArray[np.int64] | None = None


def is_table(path: Path) -> bool:
    """Whether `path` is a CSV of pixels, one image per row."""
    return path.suffix.lower() == ".csv" and path.is_file() and "path" not in tables.header(path)


def check(paths: Sequence[Path]) -> None:
    """Raise DataError for the first path that does not exist or is not of a supported kind."""
    for path in paths:
        if not path.exists():
            raise DataError(f"{path} does not exist; expected {_EXPECTED}.")
        known = path.suffix.lower() in (*SUFFIXES, *reading.SUFFIXES, ".csv", ".npz")
        if path.is_file() and not known and "ubyte" not in path.name:
            raise DataError(f"{path} is not an input that edgekit can read: expected {_EXPECTED}.")


def read(paths: Sequence[Path], shape: tuple[int, int, int], *, skip_bad: bool = False) -> Iterator[Chunk]:
    """The inputs in the order given, at most 32 MB of pixels at a time.

    Files are decoded as they are needed; a table, array or IDX file is loaded once. Its rows are named "FILE#1",
    "FILE#2", ...

    Args:
        shape: (H, W, C) that the model expects: images are resized to it, color becomes gray or vice versa.
        skip_bad: leave unreadable files out, instead of an error that lists them.

    Raises:
        DataError: an input is missing, damaged or cannot be converted to `shape`.
    """
    check(paths)
    if clip := next((path for path in paths if path.suffix.lower() in reading.SUFFIXES and path.is_file()), None):
        raise DataError(f"{clip} is a clip, but the file expects images; use a run trained on clips.")
    files: list[Path] = []
    for path in paths:
        if path.is_dir() or not _is_array(path):
            files += _listed(path)
            continue
        yield from _files(files, shape, skip_bad)
        files = []
        yield from _rows(path, shape)
    yield from _files(files, shape, skip_bad)


def _is_array(path: Path) -> bool:
    return is_table(path) or path.suffix.lower() not in (*SUFFIXES, ".csv")


def _listed(path: Path) -> list[Path]:
    """An image file itself, those in a folder, or those in the `path` column of a CSV."""
    if path.suffix.lower() in SUFFIXES and path.is_file():
        return [path]
    if not path.is_dir():
        return [path.parent / row["path"] for _, row in tables.read_rows(path, needed=("path",))]
    names = images_in(path).files
    if not names:
        raise DataError(f"{path} has no PNG, JPEG, BMP or WebP image.")
    return [path / name for name in names]


def _chunk_rows(shape: tuple[int, ...]) -> int:
    """Images per chunk: whole batches of 64."""
    return max(1, CHUNK_BYTES // (int(np.prod(shape)) * _BATCHES)) * _BATCHES


def _files(paths: Sequence[Path], shape: tuple[int, int, int], skip_bad: bool) -> Iterator[Chunk]:
    count = _chunk_rows(shape)
    for start in range(0, len(paths), count):
        yield _decoded(paths[start : start + count], shape, skip_bad)


def _decoded(paths: Sequence[Path], shape: tuple[int, int, int], skip_bad: bool) -> Chunk:
    other = np.zeros(len(paths), bool)
    x, good, bad = read_images(
        lambda i: _content(paths[i], i, shape, other),
        lambda i: str(paths[i]),
        len(paths),
        size=shape[:2],
        channels=shape[2],
        skip_bad=skip_bad,
    )
    names = [str(paths[i]) for i in good.tolist()]
    return Chunk(names=names, x=np.asarray(x[:]), resized=int(other[good].sum()), skipped=bad)


def _content(path: Path, i: int, shape: tuple[int, int, int], other: NDArray[np.bool_]) -> bytes:
    """The bytes of an image file; records in `other` whether its size differs from what the model expects."""
    from PIL import Image, UnidentifiedImageError

    content = path.read_bytes()
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:  # reads only the header
            other[i] = picture.size != (shape[1], shape[0])
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        pass  # decoding it reports what is wrong
    return content


def _rows(path: Path, shape: tuple[int, int, int]) -> Iterator[Chunk]:
    x = _array(path, shape)
    if not len(x):
        raise DataError(f"{path} contains no images.")
    if x.shape[3] != shape[2]:
        raise DataError(f"{path} has images of {x.shape[3]} channels; the model expects {shape[2]}.")
    count, fits = _chunk_rows(shape), x.shape[1:3] == shape[:2]
    for start in range(0, len(x), count):
        part = x[start : start + count]
        yield Chunk(
            names=[f"{path}#{row}" for row in range(start + 1, start + len(part) + 1)],
            x=part if fits else resize(part, shape[:2]),
            resized=0 if fits else len(part),
        )


def _array(path: Path, shape: tuple[int, int, int]) -> NDArray[Any]:
    suffix = path.suffix.lower()
    if suffix == ".csv":
        pixels = sum(name not in tables.DESCRIBING for name in tables.header(path))
        if pixels != shape[0] * shape[1] and math.isqrt(pixels) ** 2 != pixels:
            raise DataError(
                f"{path} has {pixels} pixel columns; expected {shape[0]} x {shape[1]}, which the model expects."
            )
        return tables.read_pixels(path, shape[:2]).x
    if suffix != ".npz":
        return idx.parse(idx.read_bytes(path), path, 3)[..., None]
    arrays = read_arrays(path)
    key: str | None = next((name for name in ("x", "x_test") if name in arrays), None)
    if key is None and len(arrays) == 1:
        (key,) = arrays
    if key is None:
        raise DataError(f"{path} has neither x nor x_test; it contains {', '.join(sorted(arrays)) or 'nothing'}.")
    return images_of(arrays[key], f"{path}: {key}")
