"""spec -> unlabeled samples, converted to the shape of a labeled data set, for choosing what to label next."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.data import tables
from edgekit.data.audio import reading
from edgekit.data.audio.features import read_clips
from edgekit.data.audio.frontend import options_of
from edgekit.data.decode import resize
from edgekit.data.images import read_images
from edgekit.data.listing import files_in, images_in
from edgekit.data.sources.npz import images_of, read_arrays
from edgekit.data.splits import frozen
from edgekit.errors import DataError
from edgekit.types import FrontEnd, Images, Skipped, Split


def load_pool(
    spec: str, *, shape: tuple[int, int, int], skip_bad: bool = False, front_end: FrontEnd | None = None
) -> tuple[Split, tuple[Skipped, ...]]:
    """Load an unlabeled pool; any labels in it are not read.

    Args:
        spec: a folder of images at any depth, a CSV of pixels or with a `path` column, or a .npz file with x or x_train.
        shape: (H, W, C) of the data set the pool belongs to; images are resized, and color becomes gray or vice versa.
        skip_bad: leave unreadable files out, instead of an error that lists them.
        front_end: that of a data set of clips: the pool is then a folder of audio files, or a CSV with a `path` column.

    Returns:
        A Split with y = -1; ids are relative paths, or "pool/0", "pool/1", ...; and what was left out.

    Raises:
        DataError: the path does not exist, has no images, or has images that cannot be read.
    """
    path = Path(spec).expanduser()
    if front_end is not None:
        return _clips(path, spec, front_end, skip_bad)
    if path.is_dir():
        names = images_in(path).files
        if not names:
            raise DataError(f"{path} has no PNG, JPEG, BMP or WebP image.")
        return _files(path, list(names), shape, skip_bad)
    if not path.is_file() or path.suffix.lower() not in (".csv", ".npz"):
        what = "is not a pool that edgekit can read" if path.exists() else "does not exist"
        raise DataError(f"{spec} {what}: expected a folder of images, a .csv or a .npz file.")
    if path.suffix.lower() == ".npz":
        arrays = read_arrays(path)
        key = next((name for name in ("x", "x_train") if name in arrays), None)
        if key is None:
            raise DataError(f"{path} has neither x nor x_train; it contains {', '.join(sorted(arrays)) or 'nothing'}.")
        return _array(images_of(arrays[key], f"{path}: {key}"), shape, str(path)), ()
    if "path" in tables.header(path):
        names = tuple(
            dict.fromkeys(Path(row["path"]).as_posix() for _, row in tables.read_rows(path, needed=("path",)))
        )
        return _files(path.parent, list(names), shape, skip_bad)
    return _array(tables.read_pixels(path, shape[:2]).x, shape, str(path)), ()


def _clips(path: Path, spec: str, front_end: FrontEnd, skip_bad: bool) -> tuple[Split, tuple[Skipped, ...]]:
    if path.is_dir():
        root, names = path, files_in(path, reading.SUFFIXES).files
    elif path.is_file() and path.suffix.lower() == ".csv" and "path" in tables.header(path):
        root = path.parent
        names = tuple(
            dict.fromkeys(Path(row["path"]).as_posix() for _, row in tables.read_rows(path, needed=("path",)))
        )
    else:
        raise DataError(
            f"{spec} is not a pool of clips: expected a folder of audio files, or a CSV with a column 'path'."
        )
    if not names:
        raise DataError(f"{path} has no WAV, FLAC or OGG file.")
    clips = read_clips(
        lambda i: (root / names[i]).read_bytes(),
        lambda i: names[i],
        len(names),
        options_of(front_end),
        training=np.ones(len(names), bool),
        skip_bad=skip_bad,
    )
    ids, clip = np.array(names)[clips.file], None
    if front_end.long == "segment":
        clip = frozen(ids)
        ids = np.array([f"{name}#{part}" for name, part in zip(ids.tolist(), clips.segment.tolist(), strict=True)])
    return dataclasses.replace(_unlabeled(clips.x, ids), clip=clip), clips.skipped


def _files(
    root: Path, names: list[str], shape: tuple[int, int, int], skip_bad: bool
) -> tuple[Split, tuple[Skipped, ...]]:
    x, good, skipped = read_images(
        lambda i: (root / names[i]).read_bytes(),
        lambda i: names[i],
        len(names),
        size=shape[:2],
        channels=shape[2],
        skip_bad=skip_bad,
    )
    return _unlabeled(x, np.array(names)[good]), skipped


def _array(x: NDArray[np.uint8 | np.float32], shape: tuple[int, int, int], where: str) -> Split:
    if not len(x):
        raise DataError(f"{where} has no samples.")
    if x.shape[3] != shape[2]:
        raise DataError(f"{where} has images of {x.shape[3]} channels; the data set has {shape[2]}.")
    if x.shape[1:3] != shape[:2]:
        x = resize(x, shape[:2])
    return _unlabeled(x, np.char.add("pool/", np.arange(len(x)).astype(str)))


def _unlabeled(x: Images, ids: NDArray[np.str_]) -> Split:
    if isinstance(x, np.ndarray):
        frozen(x)
    return Split(x=x, y=frozen(np.full(len(ids), -1, np.int64)), ids=frozen(ids))
