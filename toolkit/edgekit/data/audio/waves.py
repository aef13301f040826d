"""The waveforms that the samples of a data set were computed from, read again from their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.data.audio import reading
from edgekit.data.audio.reading import Unreadable
from edgekit.data.audio.segments import cut
from edgekit.errors import DataError
from edgekit.types import FrontEnd, Split


def waves(split: Split, root: Path, made: FrontEnd) -> NDArray[np.float32]:
    """(N, made.clip_samples) amplitudes in [-1, 1] of the samples of `split`.

    Args:
        root: the folder that the ids of clips are paths in (Dataset.root).

    Raises:
        DataError: a file is gone, or was changed into something unreadable.
    """
    found = np.empty((len(split), made.clip_samples), np.float32)
    for row, sample in enumerate(split.ids.tolist()):
        clip = sample if split.clip is None else str(split.clip[row])
        segment = 0 if split.clip is None else int(sample[len(clip) + 1 :])
        try:
            found[row] = cut(reading.decode((root / clip).read_bytes(), made.sample_rate), made)[segment]
        except (OSError, Unreadable, IndexError) as error:
            raise DataError(f"{root / clip} cannot be read any more: {error}. The build began with it.") from None
    return found
