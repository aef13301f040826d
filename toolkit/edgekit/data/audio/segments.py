"""A waveform of any length -> waveforms of the length that a front end takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekit.types import FrontEnd


def segments_of(length: int, made: FrontEnd) -> int:
    """How many samples of the data set a clip of `length` samples gives: one, unless long clips are cut into segments."""
    if made.long == "crop" or length <= made.clip_samples:
        return 1
    return 1 + -(-(length - made.clip_samples) // made.segment_hop_samples)


def cut(wave: NDArray[np.float32], made: FrontEnd) -> NDArray[np.float32]:
    """(n,) -> (segments_of(n), made.clip_samples).

    A shorter clip has silence on both sides, a longer one loses both ends, or is cut into segments, of which the last ends where
    the clip does.
    """
    length, wanted = len(wave), made.clip_samples
    count = segments_of(length, made)
    if length <= wanted:
        padded = np.zeros((1, wanted), np.float32)
        start = (wanted - length) // 2
        padded[0, start : start + length] = wave
        return padded
    if made.long == "crop":
        start = (length - wanted) // 2
        return wave[None, start : start + wanted]
    starts = np.minimum(np.arange(count) * made.segment_hop_samples, length - wanted)
    return np.stack([wave[start : start + wanted] for start in starts.tolist()])
