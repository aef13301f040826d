"""signals + method -> Selection: which training samples stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit import registry
from edgekit.curation.manifest import selection_lines, selection_sha256
from edgekit.errors import DataError
from edgekit.types import Dataset, Decision, Drop, Selection, Signals


def select(
    signals: Signals, dataset: Dataset, method: str, *, budget: float | None, seed: int, params: Mapping[str, Any]
) -> tuple[Selection, Decision]:
    """Run a curation method on the training split.

    Args:
        signals: of exactly the samples of `dataset.train`, in their order.
        budget: how many to drop (count, or share below 1), for methods that take it.

    Returns:
        The Selection, and the Decision with the scores behind it.

    Raises:
        DataError: the signals are of other samples, or a class would keep no sample.
        RecipeError: the method cannot work with this budget or these signals.
    """
    train = dataset.train
    if not np.array_equal(signals.ids, train.ids):
        raise DataError("The signals belong to other samples than the training set; compute them again.")
    decision: Decision = registry.load("curations", method)(signals, budget=budget, seed=seed, params=params)
    keep = np.ones(len(train), dtype=bool)
    keep[list(decision.drop)] = False
    before = np.bincount(train.y, minlength=len(dataset.classes))
    kept = np.bincount(train.y[keep], minlength=len(dataset.classes))
    if (lost := np.flatnonzero(kept == 0)).size:
        raise DataError(
            f"{method!r} would drop every sample of {dataset.classes[lost[0]]!r}; nothing can learn that class."
        )
    lines = selection_lines(train, decision)
    selection = Selection(
        method=method,
        params={**params, "budget": budget},
        seed=seed,
        fingerprint=dataset.fingerprint,
        kept=train.ids[keep],
        dropped={
            str(train.ids[i]): Drop(reason=reason, score=float(decision.scores.values[i]))
            for i, reason in decision.drop.items()
        },
        per_class={name: (int(b), int(k)) for name, b, k in zip(dataset.classes, before, kept, strict=True)},
        facts=decision.facts,
        warnings=decision.warnings,
        sha256=selection_sha256(lines),
    )
    return selection, decision
