"""One encoded clip -> a mono waveform, always by the same rules, so that a file gives the same samples in every stage.

WAV (8 to 32 bits, float), FLAC and OGG (Vorbis, Opus) by libsndfile; channels are averaged; other rates are resampled by soxr
(VHQ). A file shorter than its header says is refused, not shortened: the missing part may be the word.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import MissingExtra

SUFFIXES = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus")
_FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG")
# Compressed silence expands a small file to gigabytes; no sample of an edge classifier is that long.
LONGEST_S = 3600
_MOST_CHANNELS = 32
_RATES = (1000, 768_000)
# Writers that cannot seek back to fill in the length put a number like 0x7FFFF000, 0x80000000 or 0xFFFFFFFF there.
_UNKNOWN = 0x7FFFF000
_BLOCK = 2**16


class Unreadable(Exception):
    """The content is not a readable clip; the message is the reason in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a file's header says. frames: samples of each channel."""

    sample_rate: int
    channels: int
    frames: int


def needed() -> None:
    """Raise MissingExtra unless audio files can be read."""
    import importlib.util

    if any(importlib.util.find_spec(name) is None for name in ("soundfile", "soxr")):
        raise MissingExtra("Reading audio files", "audio")


def libraries() -> str:
    """The versions of the libraries that decode and resample, which a cache of their results depends on."""
    import soundfile
    import soxr

    return f"{soundfile.__libsndfile_version__} soxr {soxr.__version__}"


def head(content: bytes) -> Head:
    """Read the header of an audio file's bytes, and check as far as possible that the samples it promises are there.

    Raises:
        Unreadable: empty, of another format, truncated, without samples, or of an impossible rate or length.
    """
    if not content:
        raise Unreadable("empty file")
    with _opened(content) as file:
        header = Head(sample_rate=file.samplerate, channels=file.channels, frames=file.frames)
        format = file.format
    if format in ("WAV", "WAVEX", "RF64"):
        _check_wav(content)
    if format == "OGG":
        _check_ogg(content)
    if header.frames < 1:
        raise Unreadable("no samples")
    if not _RATES[0] <= header.sample_rate <= _RATES[1]:
        raise Unreadable(f"a sample rate of {header.sample_rate:,} Hz")
    if header.channels > _MOST_CHANNELS:
        raise Unreadable(f"{header.channels} channels")
    if header.frames >= 2**62:
        raise Unreadable("a header that does not say how long it is")
    if header.frames > LONGEST_S * header.sample_rate:
        raise Unreadable(f"longer than {LONGEST_S:,} s")
    return header


def decode(content: bytes, sample_rate: int) -> NDArray[np.float32]:
    """Decode, mix and resample an audio file's bytes, block by block: only the result is in memory as a whole.

    Args:
        content: the bytes of a WAV, FLAC or OGG file.
        sample_rate: Hz of the result.

    Returns:
        (n,) float32, amplitudes of about [-1, 1]; n is `resampled_length` of the header's frames.

    Raises:
        Unreadable: as `head`, or the samples are damaged, fewer than promised, or not finite.
    """
    import soxr

    header = head(content)
    stream = None
    if header.sample_rate != sample_rate:
        stream = soxr.ResampleStream(header.sample_rate, sample_rate, 1, dtype="float32", quality="VHQ")
    wave = np.zeros(resampled_length(header, sample_rate), np.float32)
    read = filled = 0
    for mono in _blocks(content, header):
        read += len(mono)
        if not np.isfinite(mono).all():
            raise Unreadable("samples that are NaN or infinite")
        if stream is not None:
            mono = stream.resample_chunk(mono, last=read == header.frames)
        mono = mono[: len(wave) - filled]  # soxr may give a sample more or less
        wave[filled : filled + len(mono)] = mono
        filled += len(mono)
    if read < header.frames:
        raise Unreadable(f"truncated: {read:,} of {header.frames:,} samples")
    return wave


def _blocks(content: bytes, header: Head) -> Iterator[NDArray[np.float32]]:
    """The samples in turn, the mean of the channels."""
    import soundfile

    with _opened(content) as file:
        left = header.frames
        while left:
            try:
                # A number of frames, since some formats (GSM 6.10) cannot say how many are left.
                x = file.read(min(_BLOCK, left), dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise Unreadable(f"damaged audio ({_reason(error)})") from None
            if not len(x):
                return
            left -= len(x)
            yield np.ascontiguousarray(x[:, 0]) if x.shape[1] == 1 else x.mean(axis=1, dtype=np.float32)


def resampled_length(header: Head, sample_rate: int) -> int:
    """Number of samples that a file has at `sample_rate`, at least one."""
    return max(1, round(header.frames * sample_rate / header.sample_rate))


def _opened(content: bytes) -> Any:
    import soundfile

    try:
        file = soundfile.SoundFile(io.BytesIO(content))
    except soundfile.LibsndfileError as error:
        reason = _reason(error)
        strange = "not recognised" in reason or "unknown format" in reason.lower()
        raise Unreadable("not a WAV, FLAC or OGG file" if strange else f"damaged audio ({reason})") from None
    if file.format not in _FORMATS:
        format = file.format
        file.close()
        raise Unreadable(f"{format} audio, not WAV, FLAC or OGG")
    return file


def _reason(error: Any) -> str:
    return str(error.error_string).strip().rstrip(".")


def _check_wav(content: bytes) -> None:
    """libsndfile reads a truncated WAV as a shorter one; the length of its data chunk (in RF64, of ds64) shows the truncation."""
    start = next((at for name in (b"RIFF", b"RIFX", b"RF64") if 0 <= (at := content.find(name)) < len(content) // 2), 0)
    order = ">" if content[start : start + 4] == b"RIFX" else "<"
    position, long = start + 12, None
    while position + 8 <= len(content):
        name, length = content[position : position + 4], struct.unpack_from(order + "I", content, position + 4)[0]
        position += 8
        if name == b"ds64" and position + 16 <= len(content):
            long = struct.unpack_from(order + "Q", content, position + 8)[0]
        if name == b"data":
            here, length = len(content) - position, length if long is None else long
            if length > here and (long is not None or length < _UNKNOWN):
                raise Unreadable(f"truncated: {here:,} of {length:,} bytes of samples")
            return
        position += length + length % 2
    raise Unreadable("no samples")


def _check_ogg(content: bytes) -> None:
    """Check for a whole stream of pages, the last of which is marked as last (RFC 3533); libsndfile reads one stream only."""
    position, streams, ended = 0, 0, False
    while content[position : position + 4] == b"OggS" and position + 27 <= len(content):
        flags, count = content[position + 5], content[position + 26]
        end = position + 27 + count + sum(content[position + 27 : position + 27 + count])
        if end > len(content):
            ended = False
            break
        streams += flags >> 1 & 1
        ended, position = bool(flags & 4), end
    if not ended:
        raise Unreadable("truncated: the stream has no end")
    if streams > 1:
        raise Unreadable(f"{streams} streams in one file")
