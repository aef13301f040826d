"""Labeled audio files -> the parts of a source, for every source that lists clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.audio.features import read_clips
from edgekit.data.audio.reading import SUFFIXES
from edgekit.data.splits import parts_of
from edgekit.types import ReadOptions


def is_audio(name: str) -> bool:
    """Whether a file name is that of an audio clip."""
    return name.lower().endswith(SUFFIXES)


def raw_parts(
    root: Path,
    files: Sequence[str],
    y: NDArray[np.int64],
    parts: NDArray[np.str_],
    group: NDArray[np.str_] | None,
    options: ReadOptions,
) -> dict[str, Any]:
    """The keyword arguments of RawData that follow from the files: the parts, the front end, root, skipped files, and notes.

    Args:
        root, files: N paths relative to a folder; they become the ids, with "#0", "#1", ... where clips are cut into segments.
        y: (N,) labels. parts: (N,) "train", "test", "val" or "cal". group: (N,) or None.

    Raises:
        DataError: see `read_clips`.
    """
    clips = read_clips(
        lambda i: (root / files[i]).read_bytes(),
        lambda i: files[i],
        len(files),
        options.audio,
        training=parts == "train",
        skip_bad=options.skip_bad,
    )
    index = clips.file
    names, clip = np.array(files)[index], None
    if clips.front_end.long == "segment":
        clip = names
        names = np.array([f"{name}#{part}" for name, part in zip(names.tolist(), clips.segment.tolist(), strict=True)])
    chosen = None if group is None else group[index]
    return {
        "front_end": clips.front_end,
        "root": root,
        "skipped": clips.skipped,
        "notes": clips.notes,
        **parts_of(parts[index], clips.x, y[index], names, chosen, clip, clips.content),
    }
