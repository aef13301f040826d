"""CCS, coverage-centric coreset selection: drop the hardest samples, then cover every level of difficulty equally.

Rule (Zheng et al. 2023, arXiv 2210.15809, and the authors' Coreset.py): drop the hardest share beta, cut the range of the
remaining difficulties into 50 strata of equal width, and give each the same budget; a stratum with fewer samples keeps them
all and passes on the remainder. Strata are processed by ascending size, number j of 50 gets min(size, remaining // (50 - j)),
and within a stratum the choice is uniformly random.

variant "el2n" (default): difficulty = ||p - one_hot(y)||_2 of the out-of-fold probabilities; "aum": minus the mean margin over
epochs. beta: by default 0.35 - 0.5 * kept share, within [0, 0.3]: the line through what was best at 50 % kept (.1) and at
10 % kept (.3) (docs/methods.md, "Coverage-centric coresets"). The smaller the kept share, the more of the hard tail must go.

Cost: O(N log N). Use it to train on fewer samples; do not use it to find wrong labels (it drops most samples for coverage, not
because they are wrong), nor where calibration matters without a temperature afterwards: its networks are more accurate than
after random selection, but their NLL is worse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.curation.signals import out_of_fold, required
from edgekit.errors import RecipeError, UnknownName
from edgekit.types import Decision, Scores, Signals

_STRATA = 50


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = minus the difficulty (higher = more worth keeping); drops exactly `budget` samples.

    Args:
        params: "variant" ("el2n" or "aum") and "beta" (the share of the hardest to drop, in [0, 1)), both optional.

    Raises:
        RecipeError: no budget, missing signals, or a beta that drops more than the budget.
        UnknownName: no such variant.
    """
    count = len(signals.labels)
    if budget is None:
        raise RecipeError("'ccs' needs a budget: how many samples to drop, as a count or a share below 1.")
    variant = str(params.get("variant") or "el2n")
    hard = difficulty(signals, variant)
    given = params.get("beta")
    beta = float(np.clip(0.35 - 0.5 * (count - budget) / count, 0, 0.3)) if given is None else float(given)
    hardest = round(beta * count)
    if given is not None and not 0 <= hardest <= budget:
        raise RecipeError(
            f"beta {beta:g} drops the {hardest} hardest of {count} samples, but the budget is to drop {budget}: "
            "set beta from 0 to the budget's share."
        )
    drop = cover(hard, keep=count - budget, hardest=min(hardest, budget), seed=seed)
    return Decision(
        scores=Scores(method="ccs", ids=signals.ids, values=(-hard).astype(np.float32)),
        drop=drop,
        facts={"variant": variant, "beta": beta, "dropped_hardest": min(hardest, budget), "strata": _STRATA},
    )


def difficulty(signals: Signals, variant: str) -> NDArray[np.float64]:
    """(N,) higher = harder; raises like `decide`."""
    if variant == "el2n":
        errors = out_of_fold(signals, "ccs").astype(np.float64)
        errors[np.arange(len(errors)), signals.labels] -= 1
        return np.asarray(np.linalg.norm(errors, axis=1), np.float64)
    if variant == "aum":
        margins = required(signals.margins, "ccs", "the margins after each epoch of a training")
        return np.asarray(-margins.mean(axis=0, dtype=np.float64), np.float64)
    raise UnknownName("variant of 'ccs'", variant, ("aum", "el2n"))


def cover(hard: NDArray[np.float64], *, keep: int, hardest: int, seed: int) -> dict[int, str]:
    """Choose `keep` of N samples after the `hardest` are removed.

    Args:
        hard: (N,) difficulty. keep + hardest must not exceed N.

    Returns:
        Sample index -> "hardest" or "stratum" for each of the N - keep samples to drop, ascending by index.
    """
    # Sorted by difficulty, so that the random choice depends on the samples and not on the order of the rows.
    order = np.argsort(hard, kind="stable")
    rest, gone = order[: len(order) - hardest], order[len(order) - hardest :]
    kept = np.zeros(len(hard), np.bool_)
    low, high = hard[rest[0]], hard[rest[-1]]
    width = (high - low) / _STRATA or 1.0
    stratum = np.minimum(((hard[rest] - low) / width).astype(np.int64), _STRATA - 1)
    quotas = stratum_budgets(np.bincount(stratum, minlength=_STRATA), keep)
    rng = np.random.default_rng(seed)
    for j in range(_STRATA):
        kept[rng.permutation(rest[stratum == j])[: quotas[j]]] = True
    reason = dict.fromkeys(gone.tolist(), "hardest")
    return {i: reason.get(i, "stratum") for i in np.flatnonzero(~kept).tolist()}


def stratum_budgets(sizes: NDArray[np.int64], keep: int) -> NDArray[np.int64]:
    """(S,) sizes -> (S,) how many each stratum keeps; they sum to min(keep, the sum of the sizes)."""
    quotas = np.zeros_like(sizes)
    for visited, j in enumerate(np.argsort(sizes, kind="stable").tolist()):
        quotas[j] = min(int(sizes[j]), keep // (len(sizes) - visited))
        keep -= int(quotas[j])
    return quotas
