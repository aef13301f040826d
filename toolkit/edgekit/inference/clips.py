"""Clips to label, chunk by chunk, as the features or waveforms that a file expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.data import tables
from edgekit.data.audio import reading
from edgekit.data.audio.frontend import features
from edgekit.data.audio.reading import Unreadable
from edgekit.data.audio.segments import cut
from edgekit.data.cores import available
from edgekit.data.images import named
from edgekit.data.listing import files_in
from edgekit.errors import DataError
from edgekit.inference import inputs
from edgekit.inference.inputs import Chunk
from edgekit.types import FrontEnd, Skipped

_FILES = 64  # clips per chunk


def read(
    paths: Sequence[Path], front_end: FrontEnd, *, waveform: bool = False, skip_bad: bool = False
) -> Iterator[Chunk]:
    """The clips in the order given, 64 at a time: files, those in folders, and those in the `path` column of a CSV.

    Args:
        front_end: what the file was trained with; its rule for long clips applies here too.
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
        yield _chunk(files[start : start + _FILES], front_end, waveform, skip_bad)


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
            f"{path} is not a clip, but the file expects clips: WAV, FLAC or OGG files, folders or a CSV of paths."
        )
    return [path]


def _chunk(files: Sequence[Path], front_end: FrontEnd, waveform: bool, skip_bad: bool) -> Chunk:
    def look(path: Path) -> NDArray[np.float32] | str:
        try:
            wave = cut(reading.decode(path.read_bytes(), front_end.sample_rate), front_end)
            return wave if waveform else features(wave, front_end)
        except OSError as error:
            return error.strerror or str(error)
        except Unreadable as error:
            return str(error)

    with ThreadPoolExecutor(available()) as pool:
        read_or_reason = dict(zip(map(str, files), pool.map(look, files), strict=True))
    bad = tuple(Skipped(path=name, reason=reason) for name, reason in read_or_reason.items() if isinstance(reason, str))
    if bad and not skip_bad:
        raise DataError(
            f"{len(bad):,} of {len(files):,} clips cannot be read: {named(bad)}. Fix or remove them; --skip-bad leaves them out."
        )
    good = [(str(path), x) for path in files if not isinstance(x := read_or_reason[str(path)], str)]
    return Chunk(
        names=[name for name, _ in good],
        x=np.concatenate([x for _, x in good]) if good else np.empty((0, 1), np.float32),
        resized=0,
        skipped=bad,
        clip=np.repeat(np.arange(len(good)), [len(x) for _, x in good]),
    )
