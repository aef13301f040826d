"""Augmentation of audio features, (T, F, 1): time shift, tempo, warped frequencies, gain, an equalizer, noise and masks.

With the front end's constants a log-mel feature u gives the power of its band: p / floor = exp(u ln(top / floor)) - 1. Gain and
noise change that power, as they would have changed the recording's. Warped frequencies mimic another vocal tract (Jaitly and
Hinton 2013, "Vocal tract length perturbation improves speech recognition"); an equalizer mimics another microphone or room
(Nam et al. 2022, arXiv 2110.03282); masks are SpecAugment's (Park et al. 2019, arXiv 1904.08779). In MFCC a gain moves the
first coefficient; the equalizer, noise, warps and masks over coefficients have no such form and are left out. Where the front
end divides by a sample's loudest power, the changed power is divided too; a gain then changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.audio.frontend import hertz, mel
from edgekit.types import FrontEnd

# Shares of the clip's frames and of the bands; natural logarithms of factors; decibels.
SHIFT, TIME_MASK, BAND_MASK = 0.1, 0.05, 0.05
TEMPO, WARP = 0.15, 0.15
MASKS = 2
GAIN_DB, EQUALIZER_DB, SNR_DB, TILT_DB = 6.0, 9.0, (5.0, 40.0), 10.0
KNOBS = 5
_NOISES = 997


def draw(samples: int, shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Augmentation parameters for each of `samples` features of `shape` (T, F, 1); arrays with `samples` rows.

    late: frames by which it is delayed. tempo, warp: logarithms of the factors on its tempo and its frequencies. gain, snr: dB.
    equalizer: dB at evenly spaced bands, (samples, KNOBS). tilt: dB of the noise from the middle band to the last.
    noise: index of the noise. A mask covers `_count` frames or bands starting at `_from`.
    """
    frames, bands = shape[:2]
    most = max(1, round(SHIFT * frames))
    drawn: dict[str, NDArray[Any]] = {
        "late": rng.integers(-most, most + 1, samples, dtype=np.int16),
        "tempo": rng.uniform(-TEMPO, TEMPO, samples).astype(np.float32),
        "warp": rng.uniform(-WARP, WARP, samples).astype(np.float32),
        "gain": rng.uniform(-GAIN_DB, GAIN_DB, samples).astype(np.float32),
        "equalizer": rng.uniform(-EQUALIZER_DB, EQUALIZER_DB, (samples, KNOBS)).astype(np.float32),
        "snr": rng.uniform(*SNR_DB, samples).astype(np.float32),
        "tilt": rng.uniform(-TILT_DB, TILT_DB, samples).astype(np.float32),
        "noise": rng.integers(0, _NOISES, samples, dtype=np.int16),
    }
    for name, size, share in (("frames", frames, TIME_MASK), ("bands", bands, BAND_MASK)):
        count = rng.integers(0, max(1, round(share * size)) + 1, (samples, MASKS))
        drawn[f"{name}_count"] = count.astype(np.int16)
        drawn[f"{name}_from"] = rng.integers(0, size - count + 1).astype(np.int16)
    return drawn


def vary(x: NDArray[Any], view: Mapping[str, NDArray[Any]], front_end: FrontEnd) -> NDArray[Any]:
    """(B, T, F, 1) features with `view`'s rows of these samples -> same shape and dtype, in [0, 1]."""
    logmel = front_end.kind == "logmel"
    features = _timed(x[..., 0].astype(np.float32), view["late"], view["tempo"], logmel=logmel)
    span = math.log(front_end.top / front_end.floor)
    if logmel:
        features = _louder(
            _warped(features, view["warp"], front_end), view, span, relative=front_end.level == "loudest"
        )
    elif front_end.level == "kept":
        # The first coefficient is the mean of the bands' logarithms.
        features[..., 0] += (view["gain"] * np.float32(math.log(10) / 10 / span))[:, None]
    features = np.clip(features, 0, 1)
    frames = _covered(features.shape[1], view["frames_from"], view["frames_count"])[:, :, None]
    bands = _covered(features.shape[2], view["bands_from"], view["bands_count"])[:, None, :]
    axes = (1, 2) if logmel else (1,)
    gray = features.mean(axis=axes, keepdims=True)
    features = np.where(frames | bands if logmel else frames, gray, features)
    varied: NDArray[Any] = features[..., None].astype(x.dtype)
    return varied


def _timed(x: NDArray[np.float32], late: NDArray[Any], tempo: NDArray[Any], *, logmel: bool) -> NDArray[np.float32]:
    """(B, T, F) sped up by exp(tempo) around its middle, then delayed by `late` frames; silence before and after."""
    frames = x.shape[1]
    middle = (frames - 1) / 2
    place = np.arange(frames) - late[:, None].astype(np.float64)
    place = middle + (place - middle) * np.exp(tempo.astype(np.float64))[:, None]
    silence = np.zeros(x.shape[2], np.float32)
    if not logmel:
        silence[1:] = 0.5  # all coefficients but the first are zero there
    outside = (place < -0.5) | (place > frames - 0.5)
    timed: NDArray[np.float32] = np.where(outside[:, :, None], silence, _hats(place, frames) @ x)
    return timed


def _warped(x: NDArray[np.float32], warp: NDArray[Any], front_end: FrontEnd) -> NDArray[np.float32]:
    """(B, T, F) log-mel features with frequencies times exp(warp); beyond the bands the outermost one is repeated."""
    bands = x.shape[2]
    low, high = mel(front_end.f_min), mel(front_end.f_max)
    step = (high - low) / (bands + 1)
    center = hertz(low + step * np.arange(1, bands + 1))
    place = (mel(center / np.exp(warp.astype(np.float64))[:, None]) - low) / step - 1
    warped: NDArray[np.float32] = x @ _hats(place, bands).transpose(0, 2, 1)
    return warped


def _hats(place: NDArray[Any], count: int) -> NDArray[np.float32]:
    """Weights (..., N, count) that linearly interpolate `count` values at positions (..., N); the end values extend outward."""
    distance = np.abs(np.clip(place, 0, count - 1)[..., None] - np.arange(count))
    weights: NDArray[np.float32] = np.maximum(0, 1 - distance).astype(np.float32)
    return weights


def _louder(
    u: NDArray[np.float32], view: Mapping[str, NDArray[Any]], span: float, *, relative: bool
) -> NDArray[np.float32]:
    """Gain and equalizer, then noise at a ratio to the clip's mean power, both applied to the power in units of the floor.

    relative: the loudest value is then scaled to the top again.
    """
    frames, bands = u.shape[1:]
    decibels = view["gain"][:, None] + view["equalizer"] @ _hats(np.linspace(0, KNOBS - 1, bands), KNOBS).T  # (B, F)
    power = np.expm1(u * np.float32(span)) * _ratio(decibels)[:, None, :]
    level = power.mean(axis=(1, 2)) / _ratio(view["snr"])
    slope = _ratio(view["tilt"][:, None] * np.linspace(-1, 1, bands, dtype=np.float32))  # (B, F)
    color = level[:, None] * slope / slope.mean(axis=1, keepdims=True)
    noise = np.lib.stride_tricks.sliding_window_view(_noises(frames, bands), frames, axis=0)[view["noise"]]
    power += noise.transpose(0, 2, 1) * color[:, None, :]
    if relative:
        loudest = power.max(axis=(1, 2), keepdims=True)
        power *= np.float32(math.expm1(span)) / np.where(loudest > 0, loudest, 1)
    louder: NDArray[np.float32] = np.log1p(power) / np.float32(span)
    return louder


def _ratio(decibels: NDArray[np.float32]) -> NDArray[np.float32]:
    ratio: NDArray[np.float32] = np.exp(decibels * np.float32(math.log(10) / 10))
    return ratio


@lru_cache(maxsize=4)
def _noises(frames: int, bands: int) -> NDArray[np.float32]:
    """Powers of white noise with mean 1; a clip's noise is a piece of it. A band has a few bins: a gamma of shape 2."""
    return np.random.default_rng(0).gamma(2, 0.5, (frames + _NOISES - 1, bands)).astype(np.float32)


def _covered(size: int, begin: NDArray[Any], count: NDArray[Any]) -> NDArray[np.bool_]:
    """(B, size): positions within one of a sample's masks, begin and count (B, MASKS)."""
    place = np.arange(size)
    start = begin[..., None].astype(np.int64)
    covered: NDArray[np.bool_] = ((place >= start) & (place < start + count[..., None])).any(axis=1)
    return covered
