"""Waveforms -> features in [0, 1]: log-mel powers and MFCC, computed with constants alone (no statistics of the data).

With the periodic Hann window w, the power of bin k is P(k) = |rfft(w x)(k)|^2 (2 / sum w)^2, so that a sine of amplitude 1 has a
peak of 1. The mel filters are triangles in mel(f) = 2595 log10(1 + f / 700) with peaks of 1 (HTK; tf.signal has the same).
Level "loudest" divides H P by its largest value in the sample (at least `SILENCE`), so that near and far speakers look alike.
log-mel: u = clip((ln(H P + floor) - ln floor) / (ln top - ln floor), 0, 1).
MFCC: with c the orthonormal DCT-II over the M bands of u (before the clip), c(0) / sqrt(M) and 1/2 + 2 sqrt(k / M) c(k), each
clipped to [0, 1]; the weight sqrt(k) gives all coefficients of speech about one range, which an int8 input has.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError, IntegrityError
from edgekit.types import AudioOptions, FrontEnd

_AT_ONCE = 2**20  # points transformed at a time, so that they stay in a core's cache and memory use stays small
SILENCE = 1e-12  # lower limit on the power of a sample's loudest value


def front_end(options: AudioOptions, *, sample_rate: int, clip_s: float) -> FrontEnd:
    """The front end that `options` describe, with every parameter resolved.

    Args:
        sample_rate: Hz, used where the options set none.
        clip_s: seconds, used where the options set none.

    Raises:
        DataError: parameters that do not fit each other, such as a window longer than a clip, or a filter without a bin.
    """
    rate, clip_s = options.sample_rate or sample_rate, options.clip_s or clip_s
    f_max = rate / 2 if options.f_max is None else options.f_max
    if not options.f_min < f_max <= rate / 2:
        raise DataError(
            f"data.audio: f_min {options.f_min:g} and f_max {f_max:g} Hz; expected f_min below f_max, and f_max at most half of "
            f"the sample rate, {rate / 2:g} Hz."
        )
    result = FrontEnd(
        kind=options.front_end,
        sample_rate=rate,
        clip_s=clip_s,
        long=options.long,
        segment_hop_s=(options.segment_hop_s or clip_s) if options.long == "segment" else None,
        window_ms=options.window_ms,
        hop_ms=options.hop_ms,
        fft_length=options.fft_length or 1,
        n_mels=options.n_mels,
        f_min=options.f_min,
        f_max=f_max,
        n_mfcc=options.n_mfcc if options.front_end == "mfcc" else None,
        level=options.level,
        floor=options.floor,
        top=options.top,
    )
    _check_lengths(result)
    if options.fft_length is None:
        return _with_fft_length(result)
    if options.fft_length < result.window_samples:
        raise DataError(
            f"data.audio: fft_length {options.fft_length} is shorter than the window's {result.window_samples} samples."
        )
    if empty := _empty(result):
        raise DataError(_too_many(result, empty))
    return result


def _check_lengths(front_end: FrontEnd) -> None:
    """Raise DataError if the window, the hops and the clip do not fit each other."""
    window, hop, rate, clip_s = front_end.window_samples, front_end.hop_samples, front_end.sample_rate, front_end.clip_s
    if hop < 1 or window < 2:
        raise DataError(f"data.audio: a window of {window} and a hop of {hop} samples at {rate:,} Hz are too short.")
    if window > front_end.clip_samples:
        raise DataError(
            f"data.audio: a window of {front_end.window_ms:g} ms is longer than a clip of {clip_s:g} s; raise "
            "data.audio.clip_s or lower data.audio.window_ms."
        )
    if front_end.segment_hop_s is not None and front_end.segment_hop_s > clip_s:
        raise DataError(
            f"data.audio: segment_hop_s {front_end.segment_hop_s:g} is longer than a segment, {clip_s:g} s: the audio between "
            "segments would be lost."
        )
    if front_end.long == "segment" and front_end.segment_hop_samples < 1:
        raise DataError(
            f"data.audio: segment_hop_s {front_end.segment_hop_s:g} is shorter than one sample at {rate:,} Hz."
        )


def _with_fft_length(front_end: FrontEnd) -> FrontEnd:
    """`front_end` with the shortest transform of which each mel band has a bin; DataError if none has."""
    # The next power of two resolves most banks; many bands at a low rate need a finer transform.
    shortest = 2 ** math.ceil(math.log2(front_end.window_samples))
    for length in (shortest, 2 * shortest, 4 * shortest):
        front_end = dataclasses.replace(front_end, fft_length=length)
        if not (empty := _empty(front_end)):
            return front_end
    raise DataError(_too_many(front_end, empty))


def options_of(front_end: FrontEnd) -> AudioOptions:
    """The options that produce `front_end` again, whatever the data."""
    values = dataclasses.asdict(front_end)
    kind, n_mfcc, _ = values.pop("kind"), values.pop("n_mfcc"), values.pop("version")
    return AudioOptions(front_end=kind, **values, **({} if n_mfcc is None else {"n_mfcc": n_mfcc}))


def described(front_end: FrontEnd) -> dict[str, Any]:
    """The entry for a front end in metadata.json: its parameters and their digest."""
    return {"front_end": dataclasses.asdict(front_end), "sha256": front_end.digest}


def from_described(values: Mapping[str, Any]) -> FrontEnd:
    """The front end that `described` saved.

    Raises:
        IntegrityError: a parameter is missing or unknown, or the digest does not match them.
        DataError: it was made by a version that this edgekit does not know.
    """
    known = FrontEnd.__dataclass_fields__["version"].default
    try:
        if (version := values["front_end"]["version"]) != known:
            raise DataError(f"The front end has version {version}, which this edgekit does not know; update edgekit.")
        front_end = FrontEnd(**values["front_end"])
        if front_end.digest != values["sha256"]:
            raise IntegrityError("The front end's parameters do not match its SHA-256; restore the file.")
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"The front end was not written by edgekit ({type(error).__name__}: {error}).") from None
    return front_end


def features(waves: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.float32]:
    """The features of waveforms.

    Args:
        waves: (N, front_end.clip_samples) float32, amplitudes in [-1, 1].

    Returns:
        (N, T, F, 1) float32 in [0, 1].
    """
    x = np.empty((len(waves), *front_end.shape), np.float32)
    step = max(1, _AT_ONCE // (front_end.frames * front_end.fft_length))
    for start in range(0, len(waves), step):
        x[start : start + step] = _features(waves[start : start + step], front_end)
    return x


class Constants(NamedTuple):
    """What `features` multiplies by, all float32: window (window_samples,); filters (fft_length / 2 + 1, n_mels), the power's
    scale in them; cosines (n_mels, n_mfcc), None for log-mel."""

    window: NDArray[np.float32]
    filters: NDArray[np.float32]
    cosines: NDArray[np.float32] | None


def constants(front_end: FrontEnd) -> Constants:
    """The constants of a front end, for code that computes it elsewhere."""
    cosines = _cosines(front_end.n_mels, front_end.n_mfcc) if front_end.n_mfcc else None
    return Constants(_hann(front_end.window_samples), _filters(front_end), cosines)


def _features(waves: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.float32]:
    from scipy.fft import rfft

    window = front_end.window_samples
    framed = np.lib.stride_tricks.sliding_window_view(waves, window, axis=1)[:, :: front_end.hop_samples]
    spectrum = rfft(framed * _hann(window), n=front_end.fft_length, axis=2)  # float32 stays float32
    power = spectrum.real**2 + spectrum.imag**2
    span = math.log(front_end.top) - math.log(front_end.floor)
    bands = power @ _filters(front_end)
    if front_end.level == "loudest":
        bands /= np.maximum(bands.max(axis=(1, 2), keepdims=True), np.float32(SILENCE))
    u = (np.log(bands + np.float32(front_end.floor)) - np.float32(math.log(front_end.floor))) / np.float32(span)
    if front_end.n_mfcc:
        u = u @ _cosines(front_end.n_mels, front_end.n_mfcc)
        u[..., 1:] += np.float32(0.5)
    clipped: NDArray[np.float32] = np.clip(u, 0, 1)[..., None]
    return clipped


def mel(frequency: NDArray[Any] | float) -> NDArray[np.float64]:
    """HTK's mel scale: 2595 log10(1 + f / 700)."""
    return np.asarray(2595 * np.log10(1 + np.asarray(frequency, np.float64) / 700))


def hertz(mels: NDArray[Any] | float) -> NDArray[np.float64]:
    """The inverse of `mel`."""
    return np.asarray(700 * (10 ** (np.asarray(mels, np.float64) / 2595) - 1))


def mel_filters(front_end: FrontEnd) -> NDArray[np.float64]:
    """(fft_length / 2 + 1, n_mels): triangles with peaks of 1, linear in mel, their corners evenly spaced in mel."""
    bins = mel(np.arange(front_end.fft_length // 2 + 1) * (front_end.sample_rate / front_end.fft_length))[:, None]
    corners = np.linspace(mel(front_end.f_min), mel(front_end.f_max), front_end.n_mels + 2)
    low, peak, high = corners[:-2], corners[1:-1], corners[2:]
    return np.maximum(0, np.minimum((bins - low) / (peak - low), (high - bins) / (high - peak)))


@lru_cache(maxsize=8)
def _filters(front_end: FrontEnd) -> NDArray[np.float32]:
    """The mel filters, scaled to power."""
    scale = (2 / float(_hann(front_end.window_samples).sum(dtype=np.float64))) ** 2
    return (mel_filters(front_end) * scale).astype(np.float32)


@lru_cache(maxsize=8)
def _hann(length: int) -> NDArray[np.float32]:
    window: NDArray[np.float32] = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)
    return window


@lru_cache(maxsize=8)
def _cosines(n_mels: int, n_mfcc: int) -> NDArray[np.float32]:
    """(M, n_mfcc): the orthonormal DCT-II over sqrt(M), coefficient k from 1 on times 2 sqrt(k)."""
    k, m = np.arange(n_mfcc), np.arange(n_mels)[:, None]
    table = np.cos(np.pi * k * (m + 0.5) / n_mels) * np.where(k == 0, 1, 2 * np.sqrt(2 * k)) / n_mels
    return np.asarray(table, np.float32)


def _empty(front_end: FrontEnd) -> int:
    """How many mel filters contain no bin."""
    return int((mel_filters(front_end).sum(axis=0) == 0).sum())


def _too_many(front_end: FrontEnd, empty: int) -> str:
    return (
        f"data.audio: {empty} of {front_end.n_mels} mel bands contain no bin of a transform of {front_end.fft_length} points at "
        f"{front_end.sample_rate:,} Hz; lower data.audio.n_mels, or raise data.audio.f_min or fft_length."
    )
