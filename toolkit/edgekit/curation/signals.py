"""The public boundary of curation: signals are checked here once, and methods get the arrays they need here."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError, RecipeError
from edgekit.types import Signals

T = TypeVar("T")


def check(signals: Signals) -> None:
    """Raise DataError for inconsistent arrays, repeated ids, labels out of range, NaN, or a single class."""
    count, classes = len(signals.ids), signals.classes
    if not count:
        raise DataError("There are no training samples to curate.")
    if signals.labels.shape != (count,):
        raise DataError(f"There are {count} ids but labels of shape {signals.labels.shape}; they must match.")
    if len(np.unique(signals.ids)) < count:
        names, counts = np.unique(signals.ids, return_counts=True)
        raise DataError(f"The id {str(names[counts.argmax()])!r} occurs {counts.max()} times; ids must be unique.")
    if not np.issubdtype(signals.labels.dtype, np.integer):
        raise DataError(f"Labels must be integers, found {signals.labels.dtype}.")
    if signals.labels.min() < 0 or signals.labels.max() >= classes:
        raise DataError(
            f"Labels run from {signals.labels.min()} to {signals.labels.max()}; expected 0 to {classes - 1}."
        )
    if (signals.labels == signals.labels[0]).all():
        raise DataError(f"All {count} samples have label {signals.labels[0]}; a classifier needs at least 2 classes.")
    for name, shape in _shapes(signals).items():
        array = getattr(signals, name)
        if array is None:
            continue
        if array.ndim != len(shape) or any(
            want not in (None, got) for want, got in zip(shape, array.shape, strict=True)
        ):
            wanted = ", ".join("any" if want is None else str(want) for want in shape)
            raise DataError(f"Signal {name!r} must have shape ({wanted}), found {array.shape}.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = int((~np.isfinite(array)).sum())
            raise DataError(f"Signal {name!r} has {bad} NaN or infinite values of {array.size}; compute it again.")
    for name, low, high in (("val_labels", 0, classes), ("folds", 0, count)):
        array = getattr(signals, name)
        if array is None:
            continue
        if not np.issubdtype(array.dtype, np.integer) or not array.size or array.min() < low or array.max() >= high:
            raise DataError(f"Signal {name!r} must contain whole numbers from {low} to {high - 1}, and at least one.")
    for name in ("pred_probs", "oof_probs"):
        p = getattr(signals, name)
        if p is not None and (p.min() < 0 or abs(p.sum(axis=1) - 1).max() > 1e-3):
            raise DataError(f"Signal {name!r} must contain probabilities: rows in [0, 1] that sum to 1.")


def _shapes(signals: Signals) -> dict[str, tuple[int | None, ...]]:
    count, classes = len(signals.ids), signals.classes
    width = None if signals.embeddings is None else signals.embeddings.shape[-1]
    validation = None if signals.val_labels is None else len(signals.val_labels)
    return {
        "pred_probs": (count, classes),
        "oof_probs": (count, classes),
        "margins": (None, count),
        "errors": (None, count),
        "threshold_areas": (2, count),
        "threshold_samples": (2, count),
        "val_labels": (None,),
        "embeddings": (count, None),
        "folds": (count,),
        "val_embeddings": (None, validation, width),
        "groups": (count,),
        "digests": (count,),
    }


def required(array: T | None, method: str, what: str) -> T:
    """`array`, or RecipeError: `method` needs `what`."""
    if array is None:
        raise RecipeError(f"{method!r} needs {what}, which the signals do not have.")
    return array


def out_of_fold(signals: Signals, method: str) -> NDArray[np.float32]:
    """(N, K) out-of-fold probabilities, or RecipeError."""
    return required(signals.oof_probs, method, "out-of-fold probabilities")


def in_sample(signals: Signals, method: str) -> NDArray[np.float32]:
    """(N, K) in-sample probabilities, or RecipeError."""
    return required(signals.pred_probs, method, "the probabilities of a teacher trained on these samples")


def cross_entropy(pred_probs: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """-log p of the given label, (N, K) probabilities and (N,) labels -> (N,) nats, finite."""
    given = pred_probs[np.arange(len(labels)), labels]
    loss: NDArray[np.float32] = -np.log(np.maximum(given, np.finfo(np.float32).tiny)).astype(np.float32)
    return loss
