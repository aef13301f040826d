import dataclasses
import json
import math

import numpy as np
import pytest
import scipy.fft
from tests.unit.data.audio import sounds

from edgekit.data.audio import frontend
from edgekit.errors import DataError, IntegrityError
from edgekit.recipe import AudioSection
from edgekit.types import AudioOptions


def made(rate=8000, clip_s=0.3, **options):
    return frontend.front_end(AudioOptions(**options), sample_rate=rate, clip_s=clip_s)


def by_loops(wave, m):
    """The definition at the top of frontend.py in plain float64 loops."""
    window, hop, n = m.window_samples, m.hop_samples, m.fft_length
    hann = [0.5 - 0.5 * math.cos(2 * math.pi * i / window) for i in range(window)]
    scale = (2 / sum(hann)) ** 2

    def to_mel(f):
        return 2595 * math.log10(1 + f / 700)

    low, high = to_mel(m.f_min), to_mel(m.f_max)
    corners = [low + (high - low) * i / (m.n_mels + 1) for i in range(m.n_mels + 2)]
    bands = []
    start = 0
    while start + window <= len(wave):
        x = [float(wave[start + i]) * hann[i] for i in range(window)] + [0.0] * (n - window)
        power = []
        for k in range(n // 2 + 1):
            re = sum(x[i] * math.cos(2 * math.pi * k * i / n) for i in range(window))
            im = sum(x[i] * math.sin(2 * math.pi * k * i / n) for i in range(window))
            power.append(scale * (re * re + im * im))
        energies = []
        for band in range(m.n_mels):
            energy = 0.0
            for k, p in enumerate(power):
                at = to_mel(k * m.sample_rate / n)
                rise = (at - corners[band]) / (corners[band + 1] - corners[band])
                fall = (corners[band + 2] - at) / (corners[band + 2] - corners[band + 1])
                energy += p * max(0.0, min(rise, fall))
            energies.append(energy)
        bands.append(energies)
        start += hop
    loudest = max(map(max, bands)) if m.level == "loudest" else 1.0
    rows = []
    for energies in bands:
        u = [
            (math.log(energy / loudest + m.floor) - math.log(m.floor)) / (math.log(m.top) - math.log(m.floor))
            for energy in energies
        ]
        if m.n_mfcc:
            c = scipy.fft.dct(np.array(u), type=2, norm="ortho")[: m.n_mfcc]
            k = np.arange(m.n_mfcc)
            u = list(np.where(k == 0, c / math.sqrt(m.n_mels), 0.5 + 2 * np.sqrt(k / m.n_mels) * c))
        rows.append([min(1.0, max(0.0, value)) for value in u])
    return np.array(rows)


@pytest.mark.parametrize("kind", ["logmel", "mfcc"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_mels": 14, "f_min": 100.0, "f_max": 3000.0, "window_ms": 20.0, "fft_length": 200},
        {"level": "loudest", "floor": 1e-6, "n_mels": 24},
    ],
)
def test_features_are_those_of_plain_loops(kind, options):
    rng = np.random.default_rng(0)
    wave = sounds.tone(700, 0.06) + rng.normal(0, 0.02, 480).astype(np.float32)
    m = made(clip_s=0.06, front_end=kind, **options)
    found = frontend.features(wave[None], m)
    assert found.dtype == np.float32
    assert found.shape == (1, *m.shape)
    assert np.abs(found[0, ..., 0] - by_loops(wave, m)).max() < 2e-6


def test_mel_scale_by_hand():
    assert frontend.mel(0) == 0
    assert frontend.mel(700) == pytest.approx(2595 * math.log10(2))
    assert frontend.mel(1000) == pytest.approx(999.9855, abs=1e-3)
    assert frontend.mel(6300) == pytest.approx(2595)


def test_filters_overlap_to_one_between_the_first_and_last_peak():
    m = made(n_mels=10)
    filters = frontend.mel_filters(m)
    assert filters.shape == (m.fft_length // 2 + 1, 10)
    corners = np.linspace(frontend.mel(m.f_min), frontend.mel(m.f_max), 12)
    bins = frontend.mel(np.arange(len(filters)) * m.sample_rate / m.fft_length)
    inner = (bins >= corners[1]) & (bins <= corners[-2])
    assert np.allclose(filters[inner].sum(axis=1), 1)
    assert not filters[bins <= corners[0]].any()
    assert not filters[0].any()


def test_a_sine_of_full_scale_peaks_at_the_top_and_silence_is_zero():
    m = made(rate=16_000, clip_s=0.5, window_ms=32.0, fft_length=512, n_mels=20)
    at = frontend.mel_filters(m).argmax(axis=0)[10] * 16_000 / 512
    x = frontend.features(np.stack([sounds.tone(at, 0.5, rate=16_000, amplitude=1.0), np.zeros(8000, np.float32)]), m)
    assert not x[1].any()
    # Hann spreads a sine on a bin over three: 1, 1/4 and 1/4 of the peak's power, at filter weights of at most 1.
    span = -math.log(m.floor)
    assert 1 + math.log(0.9) / span < x[0, :, 10, 0].min() <= x[0].max() <= min(1.0, 1 + math.log(1.5) / span)
    assert x[0, 5].argmax() == 10


def test_half_the_amplitude_is_6_decibels_lower():
    m = made()
    loud, soft = (frontend.features(sounds.tone(900, amplitude=a)[None], m) for a in (0.5, 0.25))
    band = loud[0, 3, :, 0].argmax()
    decibels = 10 * math.log10(m.top / m.floor)
    assert (loud - soft)[0, :, band, 0] * decibels == pytest.approx(20 * math.log10(2), abs=1e-2)


def test_relative_to_the_loudest_no_amplitude_matters():
    m = made(level="loudest", floor=1e-6)
    wave = sounds.tone(900, amplitude=0.5) + sounds.tone(2000, amplitude=0.01)
    x = frontend.features(np.stack([wave, wave / 64, wave * 0]), m)
    assert x[0].max() == 1
    assert np.allclose(x[0], x[1], atol=1e-6)
    assert not x[2].any(), "digital silence stays silence"


def test_mfcc_of_silence_and_of_a_log_mel():
    m = made(front_end="mfcc", n_mfcc=5)
    silence = frontend.features(np.zeros((1, m.clip_samples), np.float32), m)[0, ..., 0]
    assert np.allclose(silence, [[0, 0.5, 0.5, 0.5, 0.5]], atol=1e-6)
    wave = sounds.tone(500, amplitude=0.3) + sounds.tone(1800, amplitude=0.1)
    u = frontend.features(wave[None], made())[0, ..., 0]
    c = scipy.fft.dct(u, type=2, norm="ortho", axis=1)[:, :5] / math.sqrt(40)
    expected = np.concatenate([c[:, :1], 0.5 + 2 * np.sqrt([1, 2, 3, 4]) * c[:, 1:]], axis=1)
    assert np.allclose(frontend.features(wave[None], m)[0, ..., 0], np.clip(expected, 0, 1), atol=1e-5)


def test_the_keyword_task_of_mlperf_tiny_has_its_shape():
    m = made(rate=16_000, clip_s=1.0, window_ms=30.0, hop_ms=20.0, front_end="mfcc", n_mfcc=10)
    assert (m.window_samples, m.hop_samples, m.fft_length, m.shape) == (480, 320, 512, (49, 10, 1))


def test_defaults_of_the_recipe_and_of_the_value_agree():
    assert AudioSection().options == AudioOptions()


def test_many_bands_get_a_finer_transform():
    assert made(n_mels=40).fft_length == 256
    assert made(n_mels=100).fft_length > 256
    with pytest.raises(DataError, match=r"of 128 mel bands contain no bin of a transform of 256 points"):
        made(n_mels=128, fft_length=256)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"f_max": 5000.0}, r"f_max at most half of the sample rate, 4000 Hz"),
        ({"f_min": 4000.0}, "expected f_min below f_max"),
        ({"window_ms": 400.0}, r"window of 400 ms is longer than a clip of 0\.3 s"),
        ({"fft_length": 128}, "fft_length 128 is shorter than the window's 200"),
        ({"hop_ms": 0.01}, "hop of 0 samples"),
    ],
)
def test_parameters_that_do_not_fit(options, message):
    with pytest.raises(DataError, match=message):
        made(**options)


def test_described_and_back():
    m = made(front_end="mfcc", long="segment")
    values = json.loads(json.dumps(frontend.described(m)))
    assert frontend.from_described(values) == m
    assert values["sha256"] == m.digest != dataclasses.replace(m, hop_ms=11.0).digest
    older = {name: value for name, value in values["front_end"].items() if name != "level"}
    assert frontend.from_described({**values, "front_end": older}) == m, "written before there were levels"
    relative = dataclasses.replace(m, level="loudest")
    assert frontend.from_described(frontend.described(relative)) == relative and relative.digest != m.digest
    with pytest.raises(IntegrityError, match="SHA-256"):
        frontend.from_described({**values, "front_end": {**values["front_end"], "n_mels": 41}})
    with pytest.raises(IntegrityError, match="not written by edgekit"):
        frontend.from_described({"front_end": {"kind": "logmel"}, "sha256": ""})
    newer = dataclasses.replace(m, version=99)
    with pytest.raises(DataError, match="version 99"):
        frontend.from_described(frontend.described(newer))
