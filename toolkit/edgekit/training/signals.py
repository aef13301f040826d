"""What a trained network predicts for samples: probabilities, penultimate embeddings, and both after each epoch.

All inputs of the curation methods are computed here, as plain arrays.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.pixels import to_float
from edgekit.types import Split

_BATCH = 512


def probabilities(model: Any, x: Any) -> NDArray[np.float32]:
    """(N, H, W, C) -> (N, K) float32, rows sum to 1; dropout and batch statistics are off."""
    return _in_batches(model, x)[0]


def describing(keras: Any, model: Any) -> Any:
    """The model with two additional outputs: the input of its layer "logits", and the logits."""
    logits = model.get_layer("logits")
    return keras.Model(model.input, [model.output, logits.input, logits.output])


def describe(describer: Any, x: Any) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """(N, H, W, C) -> probabilities (N, K), embeddings (N, D), logits (N, K), with a model from `describing`."""
    p, embeddings, logits = _in_batches(describer, x)
    return p, embeddings, logits


def _in_batches(model: Any, x: Any) -> list[NDArray[np.float32]]:
    parts = []
    for start in range(0, len(x), _BATCH):
        outputs = model.predict_on_batch(to_float(x[start : start + _BATCH]))
        parts.append([np.asarray(a, dtype=np.float32) for a in (outputs if isinstance(outputs, list) else [outputs])])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def label_margin(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n,) logit of the given label minus the largest other one (Pleiss et al. 2020, arXiv 2001.10528, eq. 1)."""
    rows = np.arange(len(labels))
    others = logits.copy()
    others[rows, labels] = -np.inf
    margin: NDArray[np.float32] = logits[rows, labels] - others.max(axis=1)
    return margin


def label_error(p: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n,) ‖p - one_hot(label)‖₂ (Paul et al. 2021, arXiv 2107.07075)."""
    difference = p.copy()
    difference[np.arange(len(labels)), labels] -= 1
    error: NDArray[np.float32] = np.linalg.norm(difference, axis=1)
    return error


class Watcher:
    """Describes `samples` and the validation samples by a network in training, at the end and optionally after each epoch."""

    def __init__(self, keras: Any, model: Any, samples: Split, val: Split, *, per_epoch: bool) -> None:
        self.describer = describing(keras, model)
        self.samples, self.val, self.per_epoch = samples, val, per_epoch
        self.margins: list[NDArray[np.float32]] = []
        self.errors: list[NDArray[np.float32]] = []

    def after_epoch(self, epoch: int) -> None:
        """Record margins and errors after an epoch."""
        if self.per_epoch:
            p, _, logits = describe(self.describer, self.samples.x)
            self.margins.append(label_margin(logits, self.samples.y))
            self.errors.append(label_error(p, self.samples.y))

    def save(self, path: Path) -> None:
        """Write ids, probabilities, embeddings, those of validation, and the epochs' margins and errors as .npz."""
        p, embeddings, _ = describe(self.describer, self.samples.x)
        val_p, val_embeddings, _ = describe(self.describer, self.val.x)
        arrays: dict[str, Any] = {
            "ids": self.samples.ids,
            "pred_probs": p,
            "embeddings": embeddings,
            "val_pred_probs": val_p,
            "val_embeddings": val_embeddings,
        }
        if self.per_epoch:
            arrays |= {"margins": np.stack(self.margins), "errors": np.stack(self.errors)}
        np.savez(path, **arrays)


def read(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays that `Watcher.save` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
