"""What the teacher tells about each training sample: its in-sample class probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.pixels import to_float
from edgekit.types import Signals, Split

_BATCH = 512


def probabilities(model: Any, x: NDArray[Any]) -> NDArray[np.float32]:
    """(N, H, W, C) -> (N, K) float32, rows sum to 1; dropout and batch statistics are off."""
    batches = [model.predict_on_batch(to_float(x[i : i + _BATCH])) for i in range(0, len(x), _BATCH)]
    return np.concatenate([np.asarray(batch, dtype=np.float32) for batch in batches])


def save(path: Path, train: Split, pred_probs: NDArray[np.float32]) -> None:
    """Write ids, labels and probabilities as a .npz file."""
    np.savez(path, ids=train.ids, labels=train.y, pred_probs=pred_probs)


def load(path: Path) -> Signals:
    """Read what `save` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return Signals(ids=file["ids"], labels=file["labels"], pred_probs=file["pred_probs"])
