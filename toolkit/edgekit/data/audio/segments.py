"""A waveform of any length -> waveforms of the length that a front end expects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekit.types import FrontEnd


def segments_of(length: int, front_end: FrontEnd) -> int:
    """How many samples of the data set a clip of `length` samples becomes: one, unless long clips are cut into segments."""
    if front_end.long == "crop" or length <= front_end.clip_samples:
        return 1
    return 1 + -(-(length - front_end.clip_samples) // front_end.segment_hop_samples)


def cut(wave: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.float32]:
    """(n,) -> (segments_of(n), front_end.clip_samples).

    A shorter clip is padded with silence on both sides. A longer one loses both ends, or is cut into segments, the last of which
    ends where the clip does.
    """
    length, wanted = len(wave), front_end.clip_samples
    count = segments_of(length, front_end)
    if length <= wanted:
        padded = np.zeros((1, wanted), np.float32)
        start = (wanted - length) // 2
        padded[0, start : start + length] = wave
        return padded
    if front_end.long == "crop":
        start = (length - wanted) // 2
        return wave[None, start : start + wanted]
    starts = np.minimum(np.arange(count) * front_end.segment_hop_samples, length - wanted)
    return np.stack([wave[start : start + wanted] for start in starts.tolist()])
