"""What a person looks at and listens to: images and audio files of a run's training samples, read on request."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import data, recipe
from edgekit.errors import IntegrityError
from edgekit.review.samples import Samples
from edgekit.runs.folder import MANIFEST
from edgekit.types import Dataset

_LARGEST = 512
SOUND = {
    ".wav": "audio/wav", ".wave": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg", ".oga": "audio/ogg",
    ".opus": "audio/ogg",
}  # fmt: skip


class Pictures:
    """The training samples of a data set by row. Uses as much memory as the data set: large ones decode what is indexed."""

    def __init__(self, dataset: Dataset) -> None:
        self._train, self._root = dataset.train, dataset.root
        self.clips = dataset.input.front_end is not None
        self.noun = dataset.input.noun

    def png(self, row: int) -> bytes:
        """The image of a sample, at most 512 pixels wide and high; for a clip its spectrogram.

        Time runs to the right, low frequencies are at the bottom.

        Raises:
            DataError: the file changed since the data set was loaded.
        """
        x = self._train.x[row]
        return png(x[..., 0].T[::-1, :, None] if self.clips else x)

    def sound(self, row: int) -> Path | None:
        """The audio file of a clip, if it can be found; one file may have been cut into several samples."""
        if self._root is None:
            return None
        names = self._train.ids if self._train.clip is None else self._train.clip
        path = self._root / str(names[row])
        return path if path.suffix.lower() in SOUND and path.is_file() else None


def png(x: NDArray[Any]) -> bytes:
    """The PNG of an (H, W, C) image, uint8 or float in [0, 1], scaled down if it is larger than 512 pixels."""
    from PIL import Image

    if x.dtype != np.uint8:
        x = np.round(np.clip(x, 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(x[..., 0] if x.shape[2] < 3 else x[..., :3]))
    picture.thumbnail((_LARGEST, _LARGEST))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def load(run: Path, samples: Samples) -> Pictures:
    """The images of a run: the data set of its recipe, if it is still the one that was curated.

    Raises:
        DataError: the data set can no longer be read.
        IntegrityError: the run's recipe or manifest is damaged, or the data set has changed.
    """
    try:
        manifest = json.loads((run / MANIFEST).read_text())
        known, text = str(manifest["dataset_fingerprint"]), str(manifest["recipe"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{run / MANIFEST} cannot be read ({error}); review a whole run folder.") from None
    run_recipe = recipe.from_yaml(text)
    dataset = data.load_section(run_recipe.data, run_recipe.seed)
    if dataset.fingerprint != known or not np.array_equal(dataset.train.ids, samples.ids):
        raise IntegrityError(
            f"The data of {run_recipe.data.spec} changed since {run} curated it. Restore it, or curate again."
        )
    return Pictures(dataset)
