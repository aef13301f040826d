"""The waveforms that the samples of a data set were computed from, read again from the files."""

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


def waves(split: Split, root: Path, front_end: FrontEnd) -> NDArray[np.float32]:
    """(N, front_end.clip_samples) amplitudes in [-1, 1] of the samples of `split`.

    Args:
        root: the folder that the clips' ids are relative to (Dataset.root).

    Raises:
        DataError: a file is missing, or changed after the data set was loaded.
    """
    out = np.empty((len(split), front_end.clip_samples), np.float32)
    names = split.ids if split.clip is None else split.clip
    first, number = clips_of(split)
    for clip, row in enumerate(first.tolist()):
        path = root / str(names[row])
        try:
            content = path.read_bytes()
            if split.content is not None and hashlib.sha256(content).digest() != split.content[row].tobytes():
                raise DataError(f"{path} changed since it was read; start again.")
            pieces = cut(reading.decode(content, front_end.sample_rate), front_end)
        except (OSError, Unreadable) as error:
            raise DataError(f"{path} can no longer be read: {error}.") from None
        for place in np.flatnonzero(number == clip).tolist():
            out[place] = pieces[0 if split.clip is None else int(str(split.ids[place]).rpartition("#")[2])]
    return out
