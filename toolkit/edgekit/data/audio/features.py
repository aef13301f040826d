"""Audio files -> features, computed once and kept in the stage cache.

Every file is read once, on all cores, to hash it and to read its header. The cache key is made of the files' digests, the
parameters of the front end and the library versions. The features are in one .npy file, memory-mapped where it is large:
a folder larger than memory works, and a build that is killed leaves nothing behind that a later one would use.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.audio import reading
from edgekit.data.audio.frontend import features, front_end
from edgekit.data.audio.reading import Head, Unreadable
from edgekit.data.audio.segments import cut, segments_of
from edgekit.data.cores import available
from edgekit.data.images import IN_MEMORY_BYTES, Encoded, LazyImages, named
from edgekit.errors import DataError
from edgekit.runs.cache import StageCache
from edgekit.runs.code import code_digest
from edgekit.types import AudioOptions, FrontEnd, Images, Skipped

STAGE = "audio_features"
_BLOCK = 32  # files per task: their frames are transformed together
_AT_ONCE = 2**21  # waveform samples that a task holds at most, unless one clip is longer
_PERCENTILE = 95


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clips:
    """Decoded clips. x: (N, T, F, 1) float32. file: (N,) the number of each sample's file; segment: its number in that file.

    content: (N, 32) uint8, the SHA-256 of the file's bytes.
    """

    x: Images
    file: NDArray[np.int64]
    segment: NDArray[np.int64]
    content: NDArray[np.uint8]
    front_end: FrontEnd
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]


class LazyFeatures(LazyImages):
    """(N, T, F, 1) float32 in a mapped file: indexing reads from disk, `take` only selects rows."""

    def __init__(self, array: NDArray[np.float32], encoded: Encoded, rows: NDArray[np.int64]) -> None:
        height, width, channels = array.shape[1:]
        super().__init__(encoded, rows, (height, width, channels))
        self.array = array

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """An int returns (T, F, 1), a slice, index array or mask returns (n, T, F, 1), in memory."""
        if isinstance(index, (int, np.integer)):
            return np.array(self.array[self.rows[index]])
        index = index if isinstance(index, slice) or len(index) else np.zeros(0, np.int64)
        return np.array(self.array[self.rows[index]])

    def read_rows(self, index: NDArray[np.int64]) -> NDArray[Any]:
        return np.array(self.array[self.rows[index]])

    def at(self, rows: NDArray[np.int64]) -> LazyFeatures:
        return LazyFeatures(self.array, self.encoded, rows)


def read_clips(
    read: Callable[[int], bytes],
    name: Callable[[int], str],
    count: int,
    options: AudioOptions,
    *,
    training: NDArray[np.bool_],
    skip_bad: bool,
) -> Clips:
    """Read `count` audio files and compute their features, or take them from the cache.

    Args:
        read: the bytes of a file by number; may raise OSError; called from several threads.
        name: what to call a file in an error.
        options: a rate or length that is not set becomes that of most training files, and their 95th percentile.
        training: (count,) whether a file is in the training part.
        skip_bad: leave unreadable files out, instead of an error that lists them.

    Raises:
        DataError: files that cannot be read, or parameters that do not fit.
        MissingExtra: the libraries are not installed.
    """
    reading.needed()
    heads, digests = _look(read, count)
    encoded = Encoded(read=read, name=name, digests=digests)
    reasons = {i: head for i, head in enumerate(heads) if isinstance(head, str)}
    known = {i: head for i, head in enumerate(heads) if isinstance(head, Head)}
    if not known or (reasons and not skip_bad):
        # Damage that only shows on decoding belongs in the list as well.
        rate = next(iter(known.values())).sample_rate if known else 8000
        _refuse(reasons | _undecodable(read, known, rate), count, name, skip_bad)
    front_end = _decided(options, [head for i, head in known.items() if training[i]] or list(known.values()))
    chosen = np.array(sorted(known), np.int64)
    lengths = np.array(
        [segments_of(reading.resampled_length(known[i], front_end.sample_rate), front_end) for i in chosen.tolist()]
    )
    folder, late = _cached(encoded, chosen, lengths, front_end)
    if late and not skip_bad:
        _refuse(reasons | late, count, name, skip_bad)
    file = np.repeat(chosen, lengths)
    segment = np.concatenate([np.arange(length) for length in lengths.tolist()])
    rows = np.flatnonzero(~np.isin(file, list(late)))
    if not len(rows):
        _refuse(reasons | late, count, name, skip_bad)
    skipped = tuple(Skipped(path=name(i), reason=reason) for i, reason in sorted((reasons | late).items()))
    return Clips(
        x=_in_memory_or_mapped(folder / "x.npy", rows, encoded),
        file=file[rows],
        segment=segment[rows],
        content=digests[file[rows]],
        front_end=front_end,
        skipped=skipped,
        notes=_notes([known[i] for i in chosen.tolist() if i not in late], front_end, len(rows)),
    )


def _look(read: Callable[[int], bytes], count: int) -> tuple[list[Head | str], NDArray[np.uint8]]:
    """The header of each file, or the reason it has none; and (count, 32) the digests."""
    digests = np.zeros((count, 32), np.uint8)

    def look(i: int) -> Head | str:
        try:
            content = read(i)
            digests[i] = np.frombuffer(hashlib.sha256(content).digest(), np.uint8)
            return reading.head(content)
        except OSError as error:
            return error.strerror or str(error)
        except Unreadable as error:
            return str(error)

    def block(first: int) -> list[Head | str]:
        return [look(i) for i in range(first, min(first + _BLOCK, count))]

    with ThreadPoolExecutor(available()) as pool:
        return [head for some in pool.map(block, range(0, count, _BLOCK)) for head in some], digests


def _cached(
    encoded: Encoded, chosen: NDArray[np.int64], lengths: NDArray[np.int64], front_end: FrontEnd
) -> tuple[Path, dict[int, str]]:
    """The folder in the stage cache with the features, x.npy, computed if it is not there yet.

    Args:
        chosen: the numbers of the readable files, ascending. lengths: how many samples each of them gives.

    Returns:
        The folder, and number of a file -> why it cannot be decoded.
    """
    starts = np.concatenate([[0], np.cumsum(lengths)])

    def work(folder: Path) -> None:
        bad = _compute(folder / "x.npy", encoded, chosen, starts, front_end)
        (folder / "bad.json").write_text(json.dumps({str(k): reason for k, reason in sorted(bad.items())}))

    key = {
        "files": hashlib.sha256(np.ascontiguousarray(encoded.digests[chosen]).data).hexdigest(),
        "front_end": front_end.digest,
        "libraries": reading.libraries(),
        "code": code_digest(__name__),
    }
    folder = StageCache().run(STAGE, key, work)
    # By position among the readable files: the key covers their contents, and their numbers may differ elsewhere.
    bad = json.loads((folder / "bad.json").read_text())
    return folder, {int(chosen[int(k)]): reason for k, reason in bad.items()}


def _compute(
    path: Path,
    encoded: Encoded,
    chosen: NDArray[np.int64],
    starts: NDArray[np.int64],
    front_end: FrontEnd,
) -> dict[int, str]:
    """Write the features of the files to `path`; those of the k-th file start at row starts[k].

    Returns:
        k -> why that file cannot be decoded.

    Raises:
        DataError: a file changed after it was hashed.
    """
    x = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(int(starts[-1]), *front_end.shape))
    if hasattr(os, "posix_fallocate"):  # a full disk is an error here; writing to a map without space kills the process
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    bad: dict[int, str] = {}

    def fill(first: int) -> None:
        waves: list[NDArray[np.float32]] = []
        start = row = int(starts[first])
        for k in range(first, min(first + _BLOCK, len(chosen))):
            i = int(chosen[k])
            try:
                content = encoded.read(i)
                if hashlib.sha256(content).digest() != encoded.digests[i].tobytes():
                    raise DataError(f"{encoded.name(i)} changed while it was being read; start again.")
                wave = cut(reading.decode(content, front_end.sample_rate), front_end)
            except (OSError, Unreadable) as error:
                bad[k] = str(error)
                wave = np.zeros(
                    (int(starts[k + 1] - starts[k]), front_end.clip_samples), np.float32
                )  # left out by `bad`
            waves.append(wave)
            row = int(starts[k + 1])
            if sum(each.size for each in waves) > _AT_ONCE or k + 1 == min(first + _BLOCK, len(chosen)):
                x[start:row] = features(np.concatenate(waves), front_end)
                waves, start = [], row

    with ThreadPoolExecutor(available()) as pool:
        for _ in pool.map(fill, range(0, len(chosen), _BLOCK)):
            pass
    x.flush()
    return bad


def _in_memory_or_mapped(path: Path, rows: NDArray[np.int64], encoded: Encoded) -> Images:
    """The features in memory while they are small, else memory-mapped."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.nbytes > IN_MEMORY_BYTES:
        return LazyFeatures(array, encoded, rows)
    return np.array(array[rows])


def _decided(options: AudioOptions, heads: Sequence[Head]) -> FrontEnd:
    rates, counts = np.unique([head.sample_rate for head in heads], return_counts=True)
    durations = [head.frames / head.sample_rate for head in heads]
    hundredths = float(np.ceil(round(float(np.percentile(durations, _PERCENTILE)) * 100, 6))) / 100
    least = (options.window_ms + options.hop_ms) / 1000  # so that even a click gives a frame or two
    return front_end(options, sample_rate=int(rates[counts.argmax()]), clip_s=max(hundredths, least))


def _undecodable(read: Callable[[int], bytes], known: dict[int, Head], rate: int) -> dict[int, str]:
    def look(i: int) -> str:
        try:
            reading.decode(read(i), rate)
        except (OSError, Unreadable) as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(available()) as pool:
        return {i: reason for i, reason in zip(known, pool.map(look, known), strict=True) if reason}


def _refuse(reasons: dict[int, str], count: int, name: Callable[[int], str], skip_bad: bool) -> None:
    bad = [Skipped(path=name(i), reason=reason) for i, reason in sorted(reasons.items())]
    if len(bad) == count:
        raise DataError(f"None of the {count:,} audio files can be read: {named(bad)}.")
    if not skip_bad:
        raise DataError(
            f"{len(bad):,} of {count:,} audio files cannot be read: {named(bad)}. Fix or remove them; --skip-bad leaves them "
            "out."
        )


def _notes(heads: Sequence[Head], front_end: FrontEnd, samples: int) -> tuple[str, ...]:
    """How the clips were converted, one sentence each."""
    count, notes = len(heads), []
    if mixed := sum(head.channels > 1 for head in heads):
        notes.append(f"{mixed:,} of {count:,} clips have several channels; they were averaged.")
    other = sorted({head.sample_rate for head in heads} - {front_end.sample_rate})
    if other:
        rates = ", ".join(f"{rate:,}" for rate in other[:4]) + (", ..." if len(other) > 4 else "")
        hit = sum(each.sample_rate != front_end.sample_rate for each in heads)
        notes.append(
            f"{hit:,} of {count:,} clips have a rate of {rates} Hz and were resampled to {front_end.sample_rate:,} Hz."
        )
    longer = sum(reading.resampled_length(head, front_end.sample_rate) > front_end.clip_samples for head in heads)
    if longer and front_end.long == "crop":
        notes.append(
            f"{longer:,} of {count:,} clips are longer than {front_end.clip_s:g} s and lose both ends; change this with "
            "data.audio.clip_s or data.audio.long."
        )
    if front_end.long == "segment":
        notes.append(f"{count:,} clips were cut into {samples:,} segments of {front_end.clip_s:g} s.")
    return (*notes, f"Samples are {front_end.summary}.")
