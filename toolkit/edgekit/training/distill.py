"""Knowledge distillation, teacher side (Hinton et al. 2015, arXiv 1503.02531): its logits for each view, computed once.

The views are those that the student is trained on, so students of any seed or width get the same soft labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.pixels import to_float
from edgekit.training.augment import Augmentation
from edgekit.training.batches import draw
from edgekit.types import Reporter, Split

_BATCH = 512


def teacher_logits(
    keras: Any, teacher: Any, train: Split, augmentation: Augmentation, *, views: int, seed: int, reporter: Reporter
) -> NDArray[np.float16]:
    """(V, N, K) logits of `teacher` for `views` views of all of `train`."""
    model = keras.Model(teacher.input, teacher.get_layer("logits").output)
    count = len(train)
    logits = np.empty((views, count, model.output.shape[-1]), np.float16)
    blocks = range(0, count, _BATCH)
    for view in range(views):
        drawn = draw(augmentation, count, train.x.shape[1:], seed, view)
        for number, start in enumerate(blocks):
            part = slice(start, start + _BATCH)
            x = augmentation.apply(train.x[part], {name: rows[part] for name, rows in drawn.items()})
            logits[view, part] = np.asarray(model.predict_on_batch(to_float(x)))
            reporter.progress(view * len(blocks) + number + 1, views * len(blocks), f"view {view + 1} of {views}")
    return logits


def save(logits: NDArray[np.float16], path: Path) -> None:
    """Write (V, N, K) logits as .npy."""
    np.save(path, logits, allow_pickle=False)


def load(path: Path) -> NDArray[np.float16]:
    """(V, N, K) logits, read from disk as needed."""
    logits: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    return logits
