"""Variations of log-mel and MFCC features, each alone and by hand: floor 1e-9 and top 1, so u = ln(1 + p / 1e-9) / ln(1e9)."""

import dataclasses

import numpy as np
import pytest

from edgekit.data.audio.frontend import mel
from edgekit.errors import UsageError
from edgekit.training.augment import Augmentation, resolve
from edgekit.types import FrontEnd

MEL = FrontEnd(kind="logmel", sample_rate=8000, clip_s=1.0, fft_length=256, f_max=4000.0)
MFCC = FrontEnd(kind="mfcc", sample_rate=8000, clip_s=1.0, fft_length=256, f_max=4000.0, n_mfcc=13)
SHAPE = (98, 40, 1)


def unchanged(samples, **values):
    """A view that does nothing but what `values` say."""
    zeros = np.zeros(samples, np.float32)
    view = {
        "late": zeros.astype(np.int16),
        "tempo": zeros,
        "warp": zeros,
        "gain": zeros,
        "snr": zeros + 300,
        "tilt": zeros,
    }
    view |= {"noise": zeros.astype(np.int16), "equalizer": np.zeros((samples, 5), np.float32)}
    for name in ("frames", "bands"):
        view[f"{name}_from"] = view[f"{name}_count"] = np.zeros((samples, 2), np.int16)
    return view | values


def varied(x, view, front_end=MEL):
    return Augmentation(name="audio", front_end=front_end).apply(x, view)


def feature(power):
    return np.log1p(np.asarray(power) / 1e-9) / np.log(1e9)


def clips(count=6, shape=SHAPE):
    return np.random.default_rng(0).random((count, *shape), dtype=np.float32)


def test_auto_is_audio_for_sound_alone():
    assert resolve("auto", mirrored=False, front_end=MEL) == "audio"
    assert resolve("auto", mirrored=False) == "shift"
    assert resolve("none", mirrored=False, front_end=MEL) == "none"
    with pytest.raises(UsageError, match="'audio' does not apply to images"):
        resolve("audio", mirrored=False)
    with pytest.raises(UsageError, match="'photo' does not apply to sound"):
        resolve("photo", mirrored=False, front_end=MEL)


@pytest.mark.parametrize("front_end", [MEL, MFCC], ids=["logmel", "mfcc"])
def test_a_view_is_decided_by_the_seed_for_each_sample(front_end):
    augmentation = Augmentation(name="audio", front_end=front_end)
    x = clips(shape=front_end.shape)
    view = augmentation.draw(len(x), x.shape[1:], np.random.default_rng(1))
    whole = augmentation.apply(x, view)
    assert whole.shape == x.shape and whole.dtype == np.float32
    assert whole.min() >= 0 and whole.max() <= 1
    rows = np.array([4, 1])
    again = augmentation.draw(len(x), x.shape[1:], np.random.default_rng(1))
    part = augmentation.apply(x[rows], {name: values[rows] for name, values in again.items()})
    assert np.array_equal(part, whole[rows])
    other = augmentation.draw(len(x), x.shape[1:], np.random.default_rng(2))
    assert not np.array_equal(augmentation.apply(x, other), whole)
    assert np.array_equal(x, clips(shape=front_end.shape)), "what is given stays as it is"


def test_no_change_is_no_change():
    x = clips()
    assert varied(x, unchanged(6)) == pytest.approx(x, abs=1e-6)


def test_a_shift_brings_silence_in():
    x = clips(2)
    moved = varied(x, unchanged(2, late=np.array([3, -2], np.int16)))
    assert moved[0, 3:] == pytest.approx(x[0, :-3], abs=1e-6)
    assert moved[1, :-2] == pytest.approx(x[1, 2:], abs=1e-6)
    assert moved[0, :3].max() < 1e-12 and moved[1, -2:].max() < 1e-12
    x = clips(1, MFCC.shape)
    moved = varied(x, unchanged(1, late=np.array([1], np.int16)), MFCC)
    assert moved[0, 0, :, 0].tolist() == [0.0] + [0.5] * 12, "all coefficients but the first are zero there"


def test_a_faster_pace_keeps_the_middle_and_ends_in_silence():
    x = np.broadcast_to(np.arange(9, dtype=np.float32)[None, :, None, None] / 10 + 0.1, (1, 9, 40, 1)).copy()
    faster = varied(x, unchanged(1, tempo=np.log([2.0]).astype(np.float32)))
    assert faster[0, :, 0, 0] == pytest.approx([0, 0, 0.1, 0.3, 0.5, 0.7, 0.9, 0, 0], abs=1e-5)
    slower = varied(x, unchanged(1, tempo=np.log([0.5]).astype(np.float32)))
    assert slower[0, :, 0, 0] == pytest.approx([0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7], abs=1e-5)


def test_a_warp_moves_a_tone_to_the_band_of_its_new_frequency():
    corners = mel(np.array([20.0, 4000.0]))
    step = (corners[1] - corners[0]) / 41  # of 40 bands; the first is centered one step above 20 Hz

    def place(frequency):
        return (mel(frequency) - corners[0]) / step - 1

    bands = np.arange(40)
    for frequency in (500, 1000, 2000):
        tone = np.exp(-np.square(bands - place(frequency)) / 4).astype(np.float32)
        x = np.broadcast_to(tone[None, None, :, None], (1, *SHAPE)).copy()
        warped = varied(x, unchanged(1, warp=np.log([1.2]).astype(np.float32)))[0, 5, :, 0]
        assert (bands * warped).sum() / warped.sum() == pytest.approx(place(1.2 * frequency), abs=0.15)


def test_mfcc_are_not_warped():
    x = clips(2, MFCC.shape)
    assert varied(x, unchanged(2, warp=np.full(2, 0.1, np.float32)), MFCC) == pytest.approx(x, abs=1e-6)


def test_gain_is_a_factor_of_the_power():
    powers = np.array([0.0, 1e-10, 1e-9, 1e-5, 0.1])
    x = np.broadcast_to(feature(powers).astype(np.float32)[None, None, :, None], (1, 4, 5, 1))
    louder = varied(x, unchanged(1, gain=np.array([10 * np.log10(2)], np.float32)))
    assert louder[0, 0, :, 0] == pytest.approx(feature(2 * powers), abs=1e-5)
    assert louder[0, 0, 0, 0] < 1e-12, "silence stays silence"


def test_an_equalizer_is_a_gain_for_each_band_linear_in_between():
    x = np.full((1, 3, 9, 1), feature(1e-4), np.float32)
    equalizer = np.array([[0, 4, 0, -8, 6]], np.float32)
    powers = np.expm1(varied(x, unchanged(1, equalizer=equalizer)).astype(float) * np.log(1e9)) * 1e-9
    assert 10 * np.log10(powers[0, 1, :, 0] / 1e-4) == pytest.approx([0, 2, 4, 2, 0, -4, -8, -1, 6], abs=1e-3)
    mfcc = clips(1, MFCC.shape)
    assert varied(mfcc, unchanged(1, equalizer=equalizer), MFCC) == pytest.approx(mfcc, abs=1e-6)


def test_gain_moves_the_first_coefficient_alone():
    x = np.full((1, *MFCC.shape), 0.4, np.float32)
    louder = varied(x, unchanged(1, gain=np.array([9.0], np.float32)), MFCC)
    assert louder[0, 0, 0, 0] == pytest.approx(0.4 + 0.1, abs=1e-6), "9 of the 90 dB between floor and top"
    assert np.array_equal(louder[..., 1:, :], x[..., 1:, :])


def test_relative_to_the_loudest_a_gain_changes_nothing_and_the_loudest_stays_the_top():
    level = np.full(3, 6.0, np.float32)
    x = clips(3)
    x[:, 5, 7] = 1
    x[2] = 0
    louder = varied(x, unchanged(3, gain=level), dataclasses.replace(MEL, level="loudest"))
    assert louder == pytest.approx(x, abs=1e-5), "and silence stays silence"
    equalizer = np.tile(np.array([0, 0, 9, 9, 9], np.float32), (3, 1))
    changed = varied(x, unchanged(3, equalizer=equalizer), dataclasses.replace(MEL, level="loudest"))
    assert changed[:2].max(axis=(1, 2, 3)) == pytest.approx([1, 1], abs=1e-5)
    assert changed[0, 5, 7, 0] < 1, "a low band has lost against the others"
    mfcc = clips(1, MFCC.shape)
    assert varied(mfcc, unchanged(1, gain=level[:1]), dataclasses.replace(MFCC, level="loudest")) == pytest.approx(
        mfcc, abs=1e-6
    )


def test_noise_has_the_power_that_the_ratio_says():
    x = np.full((50, *SHAPE), feature(1e-4), np.float32)
    view = unchanged(50, snr=np.full(50, 10, np.float32), noise=np.arange(50, dtype=np.int16))
    powers = np.expm1(varied(x, view).astype(float) * np.log(1e9)) * 1e-9
    assert powers.mean(axis=(1, 2, 3)) == pytest.approx(1.1e-4, rel=0.01)
    assert powers.std() == pytest.approx(1e-5 / 2**0.5, rel=0.05), "a gamma of shape 2 and mean a tenth"
    assert not np.array_equal(powers[0], powers[1])
    tilted = varied(x[:1], {name: rows[:1] for name, rows in view.items()} | {"tilt": np.array([10], np.float32)})
    added = np.expm1(tilted[0, :, :, 0].astype(float) * np.log(1e9)).mean(axis=0) * 1e-9 - 1e-4
    assert 10 * np.log10(added[-4:].mean() / added[:4].mean()) == pytest.approx(20, abs=3)


def test_silence_has_no_noise():
    x = np.zeros((2, *SHAPE), np.float32)
    assert not varied(x, unchanged(2, snr=np.zeros(2, np.float32))).any()


def test_masks_hide_frames_and_bands_behind_the_mean():
    x = clips(1)
    at, count = np.array([[10, 50]], np.int16), np.array([[4, 0]], np.int16)
    masked = varied(x, unchanged(1, frames_from=at, frames_count=count))
    assert masked[0, 10:14] == pytest.approx(x.mean(), abs=1e-5)
    assert np.delete(masked[0], range(10, 14), 0) == pytest.approx(np.delete(x[0], range(10, 14), 0), abs=1e-6)
    masked = varied(x, unchanged(1, bands_from=at, bands_count=count))
    assert masked[0, :, 10:14] == pytest.approx(x.mean(), abs=1e-5)
    assert masked[0, :, 14:] == pytest.approx(x[0, :, 14:], abs=1e-6)


def test_what_is_drawn_stays_in_its_bounds():
    view = Augmentation(name="audio", front_end=MEL).draw(5000, SHAPE, np.random.default_rng(0))
    assert {name: len(rows) for name, rows in view.items()} == dict.fromkeys(view, 5000)
    assert (view["late"].min(), view["late"].max()) == (-10, 10)
    assert (view["frames_count"].min(), view["frames_count"].max()) == (0, 5)
    assert (view["bands_count"].min(), view["bands_count"].max()) == (0, 2)
    assert (view["frames_from"] + view["frames_count"]).max() == 98
    assert (view["bands_from"] + view["bands_count"]).max() == 40
    for name in ("tempo", "warp"):
        assert -0.15 <= view[name].min() < -0.149 and 0.149 < view[name].max() <= 0.15
    assert 5 <= view["snr"].min() < 6 and 39 < view["snr"].max() <= 40
