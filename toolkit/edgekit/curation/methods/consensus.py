"""Consensus: the mean rank of several methods, so that no single kind of noise misleads it (docs/methods.md, "Consensus").

Default members: self-confidence, knn-shapley and tracin (min), if the validation labels are trusted. Otherwise the
validation labels are as noisy as the rest, and the members are those that do not read them: self-confidence and knn-agreement.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit import registry
from edgekit.curation.picks import shares_of_ranks
from edgekit.errors import RecipeError
from edgekit.types import Decision, Scores, Signals

TRUSTED = ("self-confidence", "knn-shapley", "tracin")
UNTRUSTED = ("self-confidence", "knn-agreement")


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = mean over members of (rank - 1) / (N - 1), in [0, 1]; each member is a column; only ranks.

    Raises:
        RecipeError: fewer than two members remain, or a member's signals are missing.
    """
    candidates = tuple(params.get("members") or (TRUSTED if signals.val_trusted else UNTRUSTED))
    left_out = tuple(n for n in candidates if registry.CURATIONS[n].on_validation and not signals.val_trusted)
    members = tuple(name for name in candidates if name not in left_out)
    if len(members) < 2:
        raise RecipeError(
            f"A consensus needs at least 2 members, found {', '.join(members) or 'none'}"
            + (
                f": {', '.join(left_out)} read the validation labels; set trusted_val (--trusted-val)."
                if left_out
                else "."
            )
        )
    columns, ranks = {}, np.zeros(len(signals.ids))
    for name in members:
        entry = registry.CURATIONS[name]
        own = {**params, **entry.params, "variant": entry.variants[0] if entry.variants else "", "members": ()}
        columns[name] = registry.load("curations", name)(signals, budget=None, seed=seed, params=own).scores.values
        ranks += shares_of_ranks(columns[name])
    warnings: tuple[str, ...] = ()
    if left_out:
        warnings = (
            f"{', '.join(left_out)} left out of the consensus: the validation labels are not known to be cleaner than the "
            "training labels (--trusted-val says they are)",
        )
    return Decision(
        scores=Scores(method="consensus", ids=signals.ids, values=(ranks / len(members)).astype(np.float32)),
        columns=columns,
        facts={"members": ", ".join(members), "left_out": ", ".join(left_out) or None},
        warnings=warnings,
    )
