import struct

import numpy as np
import pytest
from tests.unit.data.audio import sounds

from edgekit.data.audio import reading
from edgekit.data.audio.reading import Unreadable, decode, head

TONE = sounds.tone(440)


@pytest.mark.parametrize(
    ("format", "subtype", "error"),
    [
        ("WAV", "PCM_U8", 1 / 127),
        ("WAV", "PCM_16", 1 / 32767),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-6),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 0),
        ("WAVEX", "PCM_16", 1 / 32767),
        ("FLAC", "PCM_16", 1 / 32767),
        ("OGG", "VORBIS", 0.1),
        ("WAV", "ULAW", 0.03),
        ("WAV", "ALAW", 0.03),
        ("RF64", "PCM_16", 1 / 32767),
    ],
)
def test_samples_are_those_of_the_file(format, subtype, error):
    content = sounds.encoded(TONE, format=format, subtype=subtype)
    header = head(content)
    assert (header.sample_rate, header.channels, header.frames) == (8000, 1, 2400)
    x = decode(content, 8000)
    assert x.dtype == np.float32
    assert x.shape == (2400,)
    assert np.abs(x - TONE).max() <= error


@pytest.mark.parametrize(("subtype", "frames"), [("IMA_ADPCM", 2525), ("GSM610", 2560)])
def test_codecs_of_telephones_come_in_whole_blocks(subtype, frames):
    content = sounds.encoded(TONE, subtype=subtype)
    assert head(content).frames == frames
    assert np.abs(decode(content, 8000)[400:2400] - TONE[400:]).max() < 0.2  # the first frames settle


def test_opus():
    x = decode(sounds.encoded(sounds.tone(440, 1.0, rate=48_000), rate=48_000, format="OGG", subtype="OPUS"), 8000)
    assert len(x) == 8000
    assert np.abs(np.fft.rfft(x)).argmax() == 440


def test_long_files_are_read_block_by_block():
    long = sounds.tone(440, 20.0, rate=44_100)
    stereo = np.stack([long, long], axis=1)
    x = decode(sounds.encoded(stereo, rate=44_100, subtype="FLOAT"), 8000)
    assert len(x) == 160_000
    inner = slice(800, -800)
    assert np.abs(x - sounds.tone(440, 20.0))[inner].max() < 1e-3


def test_channels_are_averaged():
    left, right = sounds.tone(440), sounds.tone(880)
    x = decode(sounds.encoded(np.stack([left, right, right], axis=1), subtype="FLOAT"), 8000)
    assert np.allclose(x, (left + 2 * right) / 3, atol=1e-7)


@pytest.mark.parametrize("rate", [11_025, 16_000, 44_100, 48_000, 4_000])
def test_another_rate_gives_the_same_tone(rate):
    x = decode(sounds.encoded(sounds.tone(440, 1.0, rate=rate), rate=rate, subtype="FLOAT"), 8000)
    assert len(x) == 8000
    inner = slice(800, -800)  # a filter needs what lies before and after
    assert np.abs(x - sounds.tone(440, 1.0))[inner].max() < 1e-3


def test_what_is_above_half_the_rate_is_filtered_out():
    x = decode(sounds.encoded(sounds.tone(6000, 1.0, rate=16_000), rate=16_000, subtype="FLOAT"), 8000)
    assert np.abs(x[800:-800]).max() < 1e-4


def test_length_of_a_resampled_clip():
    assert reading.resampled_length(reading.Head(sample_rate=44_100, channels=1, frames=441), 8000) == 80
    assert reading.resampled_length(reading.Head(sample_rate=48_000, channels=1, frames=1), 8000) == 1


WAV = sounds.encoded(TONE, subtype="PCM_16")
FLAC = sounds.encoded(np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32), format="FLAC")
OGG = sounds.encoded(sounds.tone(440, 2.0), format="OGG")
RF64 = sounds.encoded(TONE, format="RF64", subtype="PCM_16")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"this is a text", "not a WAV, FLAC or OGG file"),
        (b"label,path\n" * 400, "not a WAV, FLAC or OGG file"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 400, "not a WAV, FLAC or OGG file"),
        (sounds.encoded(np.zeros(0, np.float32)), "no samples"),
        (WAV[: len(WAV) // 2], r"truncated: 2,378 of 4,800 bytes of samples"),
        (WAV[:40], "truncated|no samples|damaged"),
        (WAV[:20], "truncated|no samples|damaged|not a WAV"),
        (FLAC[: len(FLAC) // 2], "truncated|damaged"),
        (FLAC[:60], "truncated|damaged|no samples"),
        (OGG[: len(OGG) // 2], "truncated|damaged"),
        (sounds.encoded(TONE, format="AIFF"), "AIFF audio, not WAV"),
        (sounds.encoded(np.full(100, np.nan, np.float32), subtype="FLOAT"), "NaN or infinite"),
        (sounds.encoded(TONE, rate=100), "a sample rate of 100 Hz"),
        (RF64[: len(RF64) // 2], r"truncated: [\d,]+ of 4,800 bytes of samples"),
        (OGG + OGG, "2 streams in one file"),
    ],
)
def test_what_cannot_be_read_has_a_reason(content, reason):
    with pytest.raises(Unreadable, match=reason):
        decode(content, 8000)


def test_every_truncation_is_refused_and_nothing_else_is_raised():
    for content in (WAV, FLAC, OGG, RF64):
        for length in np.linspace(0, len(content) - 1, 40).astype(int).tolist():
            with pytest.raises(Unreadable):
                decode(content[:length], 8000)


def test_flipped_bytes_never_raise_anything_else():
    rng = np.random.default_rng(1)
    for content in (WAV, FLAC, OGG):
        for _ in range(60):
            damaged = bytearray(content)
            for place in rng.integers(0, min(200, len(damaged)), 3).tolist():
                damaged[place] = int(rng.integers(256))
            try:
                x = decode(bytes(damaged), 8000)
            except Unreadable:
                continue
            assert np.isfinite(x).all()


@pytest.mark.parametrize("length", [0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_a_stream_that_could_not_fill_in_its_length_is_whole(length):
    at = WAV.index(b"data") + 4
    x = decode(WAV[:at] + struct.pack("<I", length) + WAV[at + 4 :], 8000)
    assert len(x) == 2400


def test_a_header_without_a_length_is_said_to_have_none():
    """Bytes 18 to 25 of a FLAC end with the 36 bits of the total number of samples."""
    at = 8 + 13
    unknown = bytearray(FLAC)
    unknown[at] &= 0xF0
    unknown[at + 1 : at + 5] = bytes(4)
    with pytest.raises(Unreadable, match="does not say how long"):
        decode(bytes(unknown), 8000)


def test_more_channels_or_hours_than_a_clip_has(tmp_path):
    many = sounds.encoded(np.zeros((10, 40), np.float32))
    with pytest.raises(Unreadable, match="40 channels"):
        head(many)
    path = tmp_path / "long.flac"
    with sounds.soundfile.SoundFile(path, "w", 1000, 1, format="FLAC") as file:
        for _ in range(37):
            file.write(np.zeros(100_000, np.float32))
    with pytest.raises(Unreadable, match="longer than 3,600 s"):
        head(path.read_bytes())
