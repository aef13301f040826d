"""Variations of sound's features, (T, F, 1): a shift in time, gain, noise, and masks (Park et al. 2019, arXiv 1904.08779).

With the front end's constants a log-mel feature u tells the power of its band: p / floor = exp(u ln(top / floor)) - 1. Gain and
noise change that power, as they would have changed the recording's. In MFCC a gain moves the first coefficient, and noise has no
such form: it is left out, as are masks over coefficients.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.types import FrontEnd

# Shares of the clip's frames and of the bands; decibels.
SHIFT, TIME_MASK, BAND_MASK = 0.1, 0.1, 0.15
MASKS = 2
GAIN_DB, SNR_DB, TILT_DB = 6.0, (5.0, 40.0), 10.0
_NOISES = 997


def draw(samples: int, shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """What happens to each of `samples` features of `shape` (T, F, 1); arrays with `samples` rows.

    late: frames that it starts later. gain, snr: dB. tilt: dB of the noise from the middle band to the last. noise: which of
    the noises. A mask covers frames or bands from `_from` on, `_count` of them.
    """
    frames, bands = shape[:2]
    most = max(1, round(SHIFT * frames))
    drawn: dict[str, NDArray[Any]] = {
        "late": rng.integers(-most, most + 1, samples, dtype=np.int16),
        "gain": rng.uniform(-GAIN_DB, GAIN_DB, samples).astype(np.float32),
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
    mel = front_end.kind == "logmel"
    made = _later(x[..., 0].astype(np.float32), view["late"], mel=mel)
    span = math.log(front_end.top / front_end.floor)
    if mel:
        made = _louder(made, view, span)
    else:
        # The first coefficient is the mean of the bands' logarithms.
        made[..., 0] += (view["gain"] * np.float32(math.log(10) / 10 / span))[:, None]
    made = np.clip(made, 0, 1)
    frames = _covered(made.shape[1], view["frames_from"], view["frames_count"])[:, :, None]
    bands = _covered(made.shape[2], view["bands_from"], view["bands_count"])[:, None, :]
    axes = (1, 2) if mel else (1,)
    gray = made.mean(axis=axes, keepdims=True)
    made = np.where(frames | bands if mel else frames, gray, made)
    varied: NDArray[Any] = made[..., None].astype(x.dtype)
    return varied


def _later(x: NDArray[np.float32], late: NDArray[Any], *, mel: bool) -> NDArray[np.float32]:
    """(B, T, F) moved by `late` frames, silence before and behind."""
    frames = x.shape[1]
    source = np.arange(frames) - late[:, None].astype(np.int64)
    moved = np.take_along_axis(x, np.clip(source, 0, frames - 1)[:, :, None], axis=1)
    silence = np.zeros(x.shape[2], np.float32)
    if not mel:
        silence[1:] = 0.5  # coefficients but the first are zero there
    outside = (source < 0) | (source >= frames)
    later: NDArray[np.float32] = np.where(outside[:, :, None], silence, moved)
    return later


def _louder(u: NDArray[np.float32], view: Mapping[str, NDArray[Any]], span: float) -> NDArray[np.float32]:
    """Gain, then noise at a ratio to the clip's mean power, both on the power in units of the floor."""
    frames, bands = u.shape[1:]
    power = np.expm1(u * np.float32(span)) * _ratio(view["gain"])[:, None, None]
    level = power.mean(axis=(1, 2)) / _ratio(view["snr"])
    slope = _ratio(view["tilt"][:, None] * np.linspace(-1, 1, bands, dtype=np.float32))  # (B, F)
    color = level[:, None] * slope / slope.mean(axis=1, keepdims=True)
    noise = np.lib.stride_tricks.sliding_window_view(_noises(frames, bands), frames, axis=0)[view["noise"]]
    power += noise.transpose(0, 2, 1) * color[:, None, :]
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
    """(B, size): within one of a sample's pieces, begin and count (B, MASKS)."""
    place = np.arange(size)
    start = begin[..., None].astype(np.int64)
    covered: NDArray[np.bool_] = ((place >= start) & (place < start + count[..., None])).any(axis=1)
    return covered
