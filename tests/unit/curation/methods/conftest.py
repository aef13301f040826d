"""Signals without ties, in two embedding spaces, and the same ones in another order of rows."""

import dataclasses

import numpy as np
import pytest

from edgekit.types import Signals


@pytest.fixture(scope="session")
def signals() -> Signals:
    """300 samples of 3 classes that overlap, 30 of them with another label than their cluster, 60 validation samples."""
    rng = np.random.default_rng(7)
    centers = rng.normal(size=(2, 3, 6)).astype(np.float32) * 1.5
    true, val_labels = rng.integers(0, 3, 300), rng.integers(0, 3, 60)
    folds = rng.integers(0, 2, 300)
    labels = true.copy()
    labels[:30] = (true[:30] + 1) % 3
    probs = rng.dirichlet(np.ones(3), 300) + np.eye(3)[true]
    noise = rng.normal(size=(300, 6)), rng.normal(size=(2, 60, 6))
    return Signals(
        ids=np.array([f"train/{i}" for i in range(300)]),
        labels=labels,
        classes=3,
        oof_probs=(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32),
        margins=rng.normal(size=(4, 300)).astype(np.float32),
        embeddings=(centers[folds, true] + noise[0]).astype(np.float32),
        folds=folds,
        val_embeddings=(centers[:, val_labels] + noise[1]).astype(np.float32),
        val_labels=val_labels,
        digests=np.array([f"{i:064x}" for i in range(300)]),
    )


@pytest.fixture(scope="session")
def reordered():
    """(signals, order) -> the same samples in another order under new ids."""

    def change(signals: Signals, order) -> Signals:
        rows = {
            name: getattr(signals, name)[order]
            for name in ("labels", "oof_probs", "embeddings", "folds", "digests")
            if getattr(signals, name) is not None
        }
        ids = np.array([f"renamed/{i}" for i in range(len(order))])
        return dataclasses.replace(signals, ids=ids, margins=signals.margins[:, order], **rows)

    return change
