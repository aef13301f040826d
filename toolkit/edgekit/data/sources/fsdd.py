"""Free Spoken Digit Dataset (Jakobovski; CC BY-SA 4.0): 3,000 recordings of the digits 0 to 9 by 6 speakers, 8 kHz.

The official test part is index 0 to 4 of each digit and speaker; the groups are the speakers.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from edgekit.data.audio.clips import raw_parts
from edgekit.errors import DataError
from edgekit.runs.cache import cache_root
from edgekit.types import RawData, ReadOptions

_NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav")
_TEST = range(5)


def recordings() -> Path | None:
    """The folder of the recordings: in $EDGEKIT_DATA, else in the user cache; None if in neither."""
    roots = [Path(root)] if (root := os.environ.get("EDGEKIT_DATA")) else []
    folders = (folder / "fsdd" / "recordings" for folder in (*roots, cache_root() / "data"))
    return next((folder for folder in folders if folder.is_dir()), None)


def read(spec: str, options: ReadOptions) -> RawData:
    """Read the set; `spec` is its name. Ids are the names of the files, such as "7_theo_12.wav".

    Raises:
        DataError: the recordings are not on this machine, no file has such a name, or some cannot be read.
    """
    root = recordings()
    if root is None:
        raise DataError(
            "fsdd is not on this machine. Put the recordings of the Free Spoken Digit Dataset ({digit}_{speaker}_{index}.wav) "
            "into fsdd/recordings in a folder, and set EDGEKIT_DATA to that folder."
        )
    named = {path.name: match for path in root.iterdir() if (match := _NAME.fullmatch(path.name))}
    if not named:
        raise DataError(f"{root} has no file such as 7_theo_12.wav.")
    files = sorted(named, key=lambda name: (named[name][1], named[name][2], int(named[name][3])))
    digits, speakers, indices = (np.array([named[name][part] for name in files]) for part in (1, 2, 3))
    parts = np.where(np.isin(indices.astype(np.int64), _TEST), "test", "train")
    return RawData(
        name="fsdd",
        source=f"Free Spoken Digit Dataset, {len(files):,} recordings of {len(set(speakers.tolist()))} speakers",
        classes=tuple("0123456789"),
        **raw_parts(root, files, digits.astype(np.int64), parts, speakers, options),
    )
