"""Waveforms -> features in [0, 1]: log-mel powers, and MFCC, by constants alone (no statistics of the data).

With the periodic Hann window w, the power of bin k is P(k) = |rfft(w x)(k)|^2 (2 / sum w)^2, so that a sine of amplitude 1 has a
peak of 1. The mel filters are triangles in mel(f) = 2595 log10(1 + f / 700) with peaks of 1 (HTK; tf.signal has the same).
Level "loudest" divides H P by its largest value of the sample (`SILENCE` at least), so that near and far speakers look alike.
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

_AT_ONCE = (
    2**20
)  # points that are transformed at a time, so that they stay in a core's cache and memory does not matter
SILENCE = 1e-12  # the least power that a sample's loudest is taken for


def front_end(options: AudioOptions, *, sample_rate: int, clip_s: float) -> FrontEnd:
    """The front end that `options` ask for, with every parameter decided.

    Args:
        sample_rate: Hz, where the options give none.
        clip_s: seconds, where the options give none.

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
    made = FrontEnd(
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
    window, hop = made.window_samples, made.hop_samples
    if hop < 1 or window < 2:
        raise DataError(f"data.audio: a window of {window} and a hop of {hop} samples at {rate:,} Hz are too short.")
    if window > made.clip_samples:
        raise DataError(
            f"data.audio: a window of {made.window_ms:g} ms is longer than a clip of {clip_s:g} s; raise data.audio.clip_s or "
            "lower data.audio.window_ms."
        )
    if made.segment_hop_s is not None and made.segment_hop_s > clip_s:
        raise DataError(
            f"data.audio: segment_hop_s {made.segment_hop_s:g} is more than a segment, {clip_s:g} s: what lies between would "
            "not be heard."
        )
    if made.long == "segment" and made.segment_hop_samples < 1:
        raise DataError(f"data.audio: segment_hop_s {made.segment_hop_s:g} is less than a sample at {rate:,} Hz.")
    if options.fft_length is not None:
        if options.fft_length < window:
            raise DataError(
                f"data.audio: fft_length {options.fft_length} is shorter than the window's {window} samples."
            )
        if empty := _empty(made):
            raise DataError(_too_many(made, empty))
        return made
    # The next power of two resolves most banks; many bands at a low rate need a finer transform.
    shortest = 2 ** math.ceil(math.log2(window))
    for length in (shortest, 2 * shortest, 4 * shortest):
        made = dataclasses.replace(made, fft_length=length)
        if not (empty := _empty(made)):
            return made
    raise DataError(_too_many(made, empty))


def options_of(made: FrontEnd) -> AudioOptions:
    """The options that give `made` again, whatever the data."""
    values = dataclasses.asdict(made)
    kind, n_mfcc, _ = values.pop("kind"), values.pop("n_mfcc"), values.pop("version")
    return AudioOptions(front_end=kind, **values, **({} if n_mfcc is None else {"n_mfcc": n_mfcc}))


def described(made: FrontEnd) -> dict[str, Any]:
    """What metadata.json says of a front end: its parameters and their digest."""
    return {"front_end": dataclasses.asdict(made), "sha256": made.digest}


def from_described(values: Mapping[str, Any]) -> FrontEnd:
    """The front end that `described` wrote down.

    Raises:
        IntegrityError: a parameter is missing or unknown, or the digest is not theirs.
        DataError: it was made by rules that this edgekit does not know.
    """
    known = FrontEnd.__dataclass_fields__["version"].default
    try:
        if (version := values["front_end"]["version"]) != known:
            raise DataError(f"The front end has version {version}, which this edgekit does not know; update edgekit.")
        made = FrontEnd(**values["front_end"])
        if made.digest != values["sha256"]:
            raise IntegrityError(
                "The front end's parameters are not those that its SHA-256 was made of; restore the file."
            )
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"The front end is not one of edgekit ({type(error).__name__}: {error}).") from None
    return made


def features(waves: NDArray[np.float32], made: FrontEnd) -> NDArray[np.float32]:
    """The features of waveforms.

    Args:
        waves: (N, made.clip_samples) float32, amplitudes in [-1, 1].

    Returns:
        (N, T, F, 1) float32 in [0, 1].
    """
    x = np.empty((len(waves), *made.shape), np.float32)
    step = max(1, _AT_ONCE // (made.frames * made.fft_length))
    for start in range(0, len(waves), step):
        x[start : start + step] = _features(waves[start : start + step], made)
    return x


class Constants(NamedTuple):
    """What `features` multiplies by, all float32: window (window_samples,); filters (fft_length / 2 + 1, n_mels), the power's
    scale in them; cosines (n_mels, n_mfcc), None for log-mel."""

    window: NDArray[np.float32]
    filters: NDArray[np.float32]
    cosines: NDArray[np.float32] | None


def constants(made: FrontEnd) -> Constants:
    """The constants of a front end, for those who compute it elsewhere."""
    cosines = _cosines(made.n_mels, made.n_mfcc) if made.n_mfcc else None
    return Constants(_hann(made.window_samples), _filters(made), cosines)


def _features(waves: NDArray[np.float32], made: FrontEnd) -> NDArray[np.float32]:
    from scipy.fft import rfft

    window = made.window_samples
    framed = np.lib.stride_tricks.sliding_window_view(waves, window, axis=1)[:, :: made.hop_samples]
    spectrum = rfft(framed * _hann(window), n=made.fft_length, axis=2)  # float32 stays float32
    power = spectrum.real**2 + spectrum.imag**2
    span = math.log(made.top) - math.log(made.floor)
    bands = power @ _filters(made)
    if made.level == "loudest":
        bands /= np.maximum(bands.max(axis=(1, 2), keepdims=True), np.float32(SILENCE))
    u = (np.log(bands + np.float32(made.floor)) - np.float32(math.log(made.floor))) / np.float32(span)
    if made.n_mfcc:
        u = u @ _cosines(made.n_mels, made.n_mfcc)
        u[..., 1:] += np.float32(0.5)
    clipped: NDArray[np.float32] = np.clip(u, 0, 1)[..., None]
    return clipped


def mel(frequency: NDArray[Any] | float) -> NDArray[np.float64]:
    """HTK's mel scale: 2595 log10(1 + f / 700)."""
    return np.asarray(2595 * np.log10(1 + np.asarray(frequency, np.float64) / 700))


def hertz(mels: NDArray[Any] | float) -> NDArray[np.float64]:
    """The inverse of `mel`."""
    return np.asarray(700 * (10 ** (np.asarray(mels, np.float64) / 2595) - 1))


def mel_filters(made: FrontEnd) -> NDArray[np.float64]:
    """(fft_length / 2 + 1, n_mels): triangles with peaks of 1, linear in mel, their corners evenly spaced in mel."""
    bins = mel(np.arange(made.fft_length // 2 + 1) * (made.sample_rate / made.fft_length))[:, None]
    corners = np.linspace(mel(made.f_min), mel(made.f_max), made.n_mels + 2)
    low, peak, high = corners[:-2], corners[1:-1], corners[2:]
    return np.maximum(0, np.minimum((bins - low) / (peak - low), (high - bins) / (high - peak)))


@lru_cache(maxsize=8)
def _filters(made: FrontEnd) -> NDArray[np.float32]:
    """The mel filters, with the power's scale in them."""
    scale = (2 / float(_hann(made.window_samples).sum(dtype=np.float64))) ** 2
    return (mel_filters(made) * scale).astype(np.float32)


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


def _empty(made: FrontEnd) -> int:
    """How many mel filters no bin falls into."""
    return int((mel_filters(made).sum(axis=0) == 0).sum())


def _too_many(made: FrontEnd, empty: int) -> str:
    return (
        f"data.audio: {empty} of {made.n_mels} mel bands hold no bin of a transform of {made.fft_length} points at "
        f"{made.sample_rate:,} Hz; lower data.audio.n_mels, or raise data.audio.f_min or fft_length."
    )
