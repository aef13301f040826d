"""edgekit.curate: curation for arrays from any framework."""

from __future__ import annotations

from typing import Any

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
        signals: of the training samples; `edgekit list curations` says which a method reads.
        method: a name of `edgekit list curations`, except "auto", which needs no arrays but trainings.
        options: values of the recipe's curation section: budget, balance, max_edit, edit, variant, members, trusted_val, ...

    Returns:
        The Selection: kept ids with labels and weights to train on, and every edit with its reason and score.

    Raises:
        UnknownName, RecipeError: the method or an option is not known, or a signal is missing.
        DataError: arrays that do not fit together or are not finite; a budget that edits none or all.
    """
    if method == "auto":
        raise RecipeError("'auto' compares methods in a build; with arrays, name a method (`edgekit list curations`).")
    if options.pop("trusted_val", False):
        import dataclasses

        signals = dataclasses.replace(signals, val_trusted=True)
    return select(signals, section_of({"method": method, **options}), seed=seed)[0]
