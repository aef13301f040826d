"""edgekit.curate: curation for arrays from any framework."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from edgekit.curation.select import select
from edgekit.errors import RecipeError
from edgekit.recipe import section_of
from edgekit.types import Selection, Signals


def curate(signals: Signals, method: str = "consensus", *, seed: int = 42, **options: Any) -> Selection:
    """Choose which training samples to edit, from arrays.

        signals = edgekit.Signals(
            ids=ids, labels=y, classes=10, oof_probs=p, embeddings=h, val_embeddings=v[None], val_labels=y_val
        )
        selection = edgekit.curate(signals, method="tracin", budget=0.05)
        keep = np.isin(ids, selection.kept)

    Args:
        signals: those of the training samples; `edgekit list curations` says which of them a method reads.
        method: a name from `edgekit list curations`, except "auto", which needs training runs instead of arrays.
        options: values of the recipe's curation section: budget, balance, max_edit, max_class_edit, edit, variant, members,
            trusted_val, ... Without a budget, the edits of each class are limited to what the probabilities support
            (curation/bound.py).

    Returns:
        The Selection: kept ids with labels and weights to train on, and every edit with its reason and score.

    Raises:
        UnknownName, RecipeError: the method or an option is unknown, or a signal is missing.
        DataError: the arrays are inconsistent or not finite, or the budget would edit none or all samples.
    """
    if method == "auto":
        raise RecipeError(
            "'auto' compares methods in a build; with arrays, choose a method (`edgekit list curations`)."
        )
    if outside := sorted({"apply", "repeats", "folds"} & set(options)):
        raise RecipeError(f"{outside[0]} works only in builds, which train networks and read files; remove it.")
    if seed < 0:
        raise RecipeError(f"seed must not be negative, found {seed}.")
    section = section_of({"method": method, **options})
    return select(_plain(signals, trusted=section.trusted_val), section, seed=seed)[0]


def _plain(signals: Signals, *, trusted: bool) -> Signals:
    """The same signals as NumPy arrays, from any kind of array or list; probabilities and the like as float32."""
    changed: dict[str, Any] = {"val_trusted": signals.val_trusted or trusted}
    for name in ("ids", "digests", "groups"):
        value = getattr(signals, name)
        changed[name] = None if value is None else np.asarray(value).astype(str)
    for name in ("labels", "folds", "val_labels", "threshold_samples"):
        value = getattr(signals, name)
        changed[name] = None if value is None else np.asarray(value)
    for name in ("pred_probs", "oof_probs", "margins", "errors", "embeddings", "val_embeddings", "threshold_areas"):
        value = getattr(signals, name)
        changed[name] = None if value is None else np.asarray(value, np.float32)
    return dataclasses.replace(signals, **changed)
