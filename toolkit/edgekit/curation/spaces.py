"""Which samples may be compared: the embedding spaces behind a Signals, one for each network.

Two networks with the same architecture and data still embed in unrelated coordinates, so distances and inner products
between samples embedded by different folds are meaningless. Every method that reads embeddings works space by space.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError, RecipeError
from edgekit.types import Signals


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Space:
    """The samples embedded by one network, and the validation samples in its coordinates.

    index: (n,) int64, which of the N training samples, in an order determined by their content.
    embeddings: (n, D) float32. labels: (n,) int64.
    val_embeddings: (M, D) float32 or None. val_labels: (M,) int64 or None.
    """

    index: NDArray[np.int64]
    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]
    val_embeddings: NDArray[np.float32] | None
    val_labels: NDArray[np.int64] | None


def spaces(signals: Signals) -> Iterator[Space]:
    """Iterate over the embedding spaces, in the order of `signals.folds`; folds without samples are left out.

    Args:
        signals: with embeddings; `folds` None means that one network embedded every sample.

    Yields:
        Spaces whose `index` arrays partition 0..N-1. The order of the samples within a space depends only on their embeddings and
        labels, so that no score depends on the order of the rows of the signals.

    Raises:
        RecipeError: the signals have no embeddings.
        DataError: the validation samples were not embedded by each of these networks.
    """
    if signals.embeddings is None:
        raise RecipeError("The signals have no embeddings of the training samples; compute them with a teacher.")
    count = len(signals.labels)
    folds = np.zeros(count, np.int64) if signals.folds is None else signals.folds
    networks = np.unique(folds)
    validation = signals.val_embeddings
    if validation is not None and count and (networks[0] < 0 or networks[-1] >= len(validation)):
        raise DataError(
            f"The folds name networks {networks[0]} to {networks[-1]}, but the validation samples were embedded by "
            f"{len(validation)}; pass val_embeddings of shape (folds, M, D), or folds=None for a single network."
        )
    embeddings = np.ascontiguousarray(signals.embeddings, dtype=np.float32)
    keys = _content_keys(embeddings)
    for network in networks.tolist():
        index = np.flatnonzero(folds == network)
        index = index[np.lexsort((signals.labels[index], keys[index]))]
        yield Space(
            index=index,
            embeddings=embeddings[index],
            labels=signals.labels[index],
            val_embeddings=None if validation is None else validation[network].astype(np.float32, copy=False),
            val_labels=signals.val_labels,
        )


def _content_keys(embeddings: NDArray[np.float32]) -> NDArray[np.uint64]:
    """(n,) a hash of each row's bits: a sum of products modulo 2^64, which does not depend on the order of summation."""
    factors = np.random.default_rng(0).integers(1, 2**63, embeddings.shape[1], dtype=np.uint64) | np.uint64(1)
    keys = np.zeros(len(embeddings), np.uint64)
    for start in range(0, len(keys), 8192):
        rows = slice(start, start + 8192)
        keys[rows] = (embeddings[rows].view(np.uint32).astype(np.uint64) * factors).sum(axis=1, dtype=np.uint64)
    return keys


def need_embeddings(method: str, signals: Signals, *, validation: bool) -> None:
    """Check that the embeddings a method reads are available.

    Args:
        method: the name for the message.
        validation: the method also reads the validation samples and their labels.

    Raises:
        RecipeError: they are missing, or there are no validation samples.
    """
    missing = signals.embeddings is None
    if validation:
        missing = missing or signals.val_embeddings is None or signals.val_labels is None or not len(signals.val_labels)
    if missing:
        whose = "training and validation samples" if validation else "training samples"
        raise RecipeError(
            f"{method!r} needs embeddings of the {whose}; compute the signals with a teacher, or pass them to Signals."
        )


def unit_rows(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to Euclidean length 1, so that an inner product is a cosine; (n, D) -> (n, D) float32, zero rows stay zero."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(embeddings, lengths, out=np.zeros_like(embeddings), where=lengths > 0)
    return unit
