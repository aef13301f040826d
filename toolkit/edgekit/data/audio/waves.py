"""The waveforms that the samples of a data set were computed from, read again from their files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.data.audio import reading
from edgekit.data.audio.reading import Unreadable
from edgekit.data.audio.segments import cut
from edgekit.data.splits import clips_of
from edgekit.errors import DataError
from edgekit.types import FrontEnd, Split


def waves(split: Split, root: Path, made: FrontEnd) -> NDArray[np.float32]:
    """(N, made.clip_samples) amplitudes in [-1, 1] of the samples of `split`.

    Args:
        root: the folder that the ids of clips are paths in (Dataset.root).

    Raises:
        DataError: a file is gone, or was changed since the data set was loaded.
    """
    found = np.empty((len(split), made.clip_samples), np.float32)
    names = split.ids if split.clip is None else split.clip
    first, number = clips_of(split)
    for clip, row in enumerate(first.tolist()):
        path = root / str(names[row])
        try:
            content = path.read_bytes()
            if split.content is not None and hashlib.sha256(content).digest() != split.content[row].tobytes():
                raise DataError(f"{path} was changed since it was read; begin again.")
            pieces = cut(reading.decode(content, made.sample_rate), made)
        except (OSError, Unreadable) as error:
            raise DataError(f"{path} cannot be read any more: {error}.") from None
        for place in np.flatnonzero(number == clip).tolist():
            found[place] = pieces[0 if split.clip is None else int(str(split.ids[place]).rpartition("#")[2])]
    return found
