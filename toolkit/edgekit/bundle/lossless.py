"""An image or a clip as a lossless file, always with the same bytes for the same content."""

from __future__ import annotations

import io
import struct

import numpy as np
from numpy.typing import NDArray


def png(image: NDArray[np.uint8]) -> bytes | None:
    """The PNG of (H, W, 1 or 3) uint8; None for other channels."""
    from PIL import Image

    if image.shape[2] not in (1, 3):
        return None
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(buffer, "PNG")
    return buffer.getvalue()


def wav(wave: NDArray[np.float32], sample_rate: int) -> bytes:
    """The mono WAV of (n,) float32: 16-bit integers if they represent every sample exactly, else floats.

    Written by hand: libsndfile adds the time of writing to float files.
    """
    whole = np.round(wave * np.float32(32768))
    fits = bool((np.abs(whole) < 32768).all())
    exact = fits and np.array_equal(whole.astype(np.float32) / np.float32(32768), wave)
    body = whole.astype("<i2").tobytes() if exact else wave.astype("<f4").tobytes()
    kind, width = (1, 2) if exact else (3, 4)
    head = struct.pack("<HHIIHH", kind, 1, sample_rate, sample_rate * width, width, 8 * width)
    fact = b"" if exact else b"fact" + struct.pack("<II", 4, len(wave))
    chunks = b"WAVEfmt " + struct.pack("<I", len(head)) + head + fact + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks
