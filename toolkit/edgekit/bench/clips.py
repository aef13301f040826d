"""Clips that are to be labeled, chunk by chunk, as the features or waveforms that a file takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.bench import inputs
from edgekit.bench.inputs import Chunk
from edgekit.data import tables
from edgekit.data.audio import reading
from edgekit.data.audio.frontend import features
from edgekit.data.audio.reading import Unreadable
from edgekit.data.audio.segments import cut
from edgekit.data.cores import available
from edgekit.data.images import named
from edgekit.data.listing import files_in
from edgekit.errors import DataError
from edgekit.types import FrontEnd, Skipped

_FILES = 64  # clips in a chunk


def read(paths: Sequence[Path], made: FrontEnd, *, waveform: bool = False, skip_bad: bool = False) -> Iterator[Chunk]:
    """The clips in the order given, 64 at a time: files, those of folders, and those that the `path` column of a CSV names.

    Args:
        made: the front end that the file was trained with; its rule for long clips holds here as well.
        waveform: the file has the front end inside.
        skip_bad: leave unreadable files out, instead of an error that lists them.

    Raises:
        DataError: an input is missing, of another kind, or cannot be read.
        MissingExtra: the libraries are not installed.
    """
    inputs.check(paths)
    reading.needed()
    files = [file for path in paths for file in _listed(path)]
    for start in range(0, len(files), _FILES):
        yield _chunk(files[start : start + _FILES], made, waveform, skip_bad)


def _listed(path: Path) -> list[Path]:
    if path.is_dir():
        names = files_in(path, reading.SUFFIXES).files
        if not names:
            raise DataError(f"{path} has no WAV, FLAC or OGG file.")
        return [path / name for name in names]
    if path.suffix.lower() == ".csv" and "path" in tables.header(path):
        return [path.parent / row["path"] for _, row in tables.read_rows(path, needed=("path",))]
    if path.suffix.lower() not in reading.SUFFIXES:
        raise DataError(
            f"{path} is no clip, but the file takes clips: WAV, FLAC or OGG files, folders or a CSV of paths."
        )
    return [path]


def _chunk(files: Sequence[Path], made: FrontEnd, waveform: bool, skip_bad: bool) -> Chunk:
    def look(path: Path) -> NDArray[np.float32] | str:
        try:
            wave = cut(reading.decode(path.read_bytes(), made.sample_rate), made)
            return wave if waveform else features(wave, made)
        except OSError as error:
            return error.strerror or str(error)
        except Unreadable as error:
            return str(error)

    with ThreadPoolExecutor(available()) as pool:
        found = dict(zip(map(str, files), pool.map(look, files), strict=True))
    bad = tuple(Skipped(path=name, reason=told) for name, told in found.items() if isinstance(told, str))
    if bad and not skip_bad:
        raise DataError(
            f"{len(bad):,} of {len(files):,} clips cannot be read: {named(bad)}. Mend or remove them; --skip-bad leaves them out."
        )
    good = [(str(path), x) for path in files if not isinstance(x := found[str(path)], str)]
    return Chunk(
        names=[name for name, _ in good],
        x=np.concatenate([x for _, x in good]) if good else np.empty((0, 1), np.float32),
        resized=0,
        skipped=bad,
        clip=np.repeat(np.arange(len(good)), [len(x) for _, x in good]),
    )
