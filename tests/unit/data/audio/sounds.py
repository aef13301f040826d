"""Small audio files for tests."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

soundfile = pytest.importorskip("soundfile", reason="the extra `audio` is not installed")
RATE = 8000


def tone(hertz: float, seconds: float = 0.3, *, rate: int = RATE, amplitude: float = 0.5) -> NDArray[np.float32]:
    """A sine."""
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encoded(x: NDArray[np.float32], *, rate: int = RATE, format: str = "WAV", subtype: str | None = None) -> bytes:
    """(n,) or (n, channels) as the bytes of a file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, x, rate, format=format, subtype=subtype)
    return buffer.getvalue()


def classes(root: Path, *, each: int = 20, seconds: float = 0.3, rate: int = RATE, suffix: str = ".wav") -> Path:
    """root/high/000.wav, ... and root/low/000.wav, ...: tones of about 2,000 and 500 Hz; every file differs."""
    rng = np.random.default_rng(each)
    for name, hertz in (("high", 2000), ("low", 500)):
        (root / name).mkdir(parents=True)
        for i in range(each):
            x = tone(hertz * (1 + 0.1 * rng.random()), seconds, rate=rate, amplitude=rng.uniform(0.1, 0.9))
            x += rng.normal(0, 1e-3, len(x)).astype(np.float32)
            content = encoded(x, rate=rate, format={".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}[suffix])
            (root / name / f"{i:03}{suffix}").write_bytes(content)
    return root


def reading_of(path: Path, rate: int) -> NDArray[np.float32]:
    """The waveform of a file that has the rate `rate` already, read without edgekit."""
    x, found = soundfile.read(path, dtype="float32")
    assert found == rate
    return np.asarray(x, np.float32)
