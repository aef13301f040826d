"""Clips as in training: mono, at the model's sample rate, cut or padded to its length. The file does the rest."""

from __future__ import annotations

import importlib
import struct
from pathlib import Path
from typing import Any

import numpy as np

from .errors import Refused

SUFFIXES = (".wav", ".flac", ".ogg")


def read(path: Path, front_end: dict[str, Any]) -> Any:
    """(segments, samples) float32 amplitudes of a clip; front_end: that of metadata.json."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}.") from None
    wave, rate = _wav(content)
    if wave is None:
        try:
            wave, rate = importlib.import_module("soundfile").read(path, dtype="float32", always_2d=True)
        except ImportError:
            raise Refused(f"{path}: only plain 16-bit or float WAV is read without soundfile; install it.") from None
        except RuntimeError as error:  # soundfile's own errors are of this type
            raise Refused(f"{path} cannot be read as a clip: {error}.") from None
    if rate != front_end["sample_rate"]:
        raise Refused(
            f"{path} has {rate:,} samples per second, the model expects {front_end['sample_rate']:,}; convert it."
        )
    return cut(wave.mean(axis=1, dtype=np.float32), front_end)


def cut(wave: Any, front_end: dict[str, Any]) -> Any:
    """(n,) -> (segments, samples): a short clip is padded with silence on both sides, a long one loses both ends or is cut up."""
    wanted = round(front_end["clip_s"] * front_end["sample_rate"])
    if len(wave) <= wanted:
        padded = np.zeros((1, wanted), np.float32)
        start = (wanted - len(wave)) // 2
        padded[0, start : start + len(wave)] = wave
        return padded
    if front_end["long"] == "crop":
        start = (len(wave) - wanted) // 2
        return wave[None, start : start + wanted]
    hop = round((front_end["segment_hop_s"] or front_end["clip_s"]) * front_end["sample_rate"])
    count = 1 + -(-(len(wave) - wanted) // hop)
    return np.stack(
        [wave[start : start + wanted] for start in (min(i * hop, len(wave) - wanted) for i in range(count))]
    )


def _wav(content: bytes) -> tuple[Any, int]:
    """((n, channels) float32, rate) of a WAV with 16-bit or float samples; (None, 0) for anything else."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return None, 0
    place, kind, channels, rate, bits = 12, 0, 0, 0, 0
    while place + 8 <= len(content):
        name, (length,) = content[place : place + 4], struct.unpack("<I", content[place + 4 : place + 8])
        body = content[place + 8 : place + 8 + length]
        if name == b"fmt ":
            kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
        if name == b"data" and len(body) == length and (kind, bits) in ((1, 16), (3, 32)) and channels:
            whole = body[: length // (channels * bits // 8) * (channels * bits // 8)]
            if kind == 3:
                return np.frombuffer(whole, "<f4").reshape(-1, channels), rate
            return np.frombuffer(whole, "<i2").reshape(-1, channels).astype(np.float32) / np.float32(32768), rate
        place += 8 + length + length % 2
    return None, 0
