"""Confident learning's filters on out-of-fold probabilities (Northcutt et al. 2021, arXiv 1911.00068, section 3.2).

pbnr (prune by noise rate): for each off-diagonal cell of the calibrated confident joint, the given label k and the likely
label j, the C[k, j] samples with the largest p_j - p_k. pbc (prune by class): per class the n_k - C[k, k] samples least
confident in it. both: flagged by both. A sample whose given label is the most probable one is never flagged.
Sets the number of edits itself, which is often too low for errors that people made (docs/methods.md, "Confident learning").
Equal to cleanlab's filters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.curation.noise import calibrated_joint
from edgekit.curation.signals import out_of_fold
from edgekit.types import Decision, Scores, Signals


def prune_by_noise_rate(p: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,) True where the label is likely wrong, by the cells of the calibrated joint."""
    counts, flagged = calibrated_joint(p, labels), np.zeros(len(labels), dtype=bool)
    for given in range(p.shape[1]):
        rows = np.flatnonzero(labels == given)
        if len(rows) < 2:  # never a whole class
            continue
        for likely in range(p.shape[1]):
            if likely != given:
                order = np.argsort(p[rows, given] - p[rows, likely], kind="stable")
                flagged[rows[order[: counts[given, likely]]]] = True
    return flagged & ~_is_argmax(p, labels)


def prune_by_class(p: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,) True for the samples least confident in their given class, as many as the joint has off its diagonal."""
    counts, flagged = calibrated_joint(p, labels), np.zeros(len(labels), dtype=bool)
    for given in range(p.shape[1]):
        rows = np.flatnonzero(labels == given)
        if len(rows) < 2:  # never a whole class
            continue
        off_diagonal = len(rows) - max(1, counts[given, given])
        flagged[rows[np.argsort(p[rows, given], kind="stable")[:off_diagonal]]] = True
    return flagged & ~_is_argmax(p, labels)


def _is_argmax(p: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = p[np.arange(len(labels)), labels] >= p.max(axis=1) - 1e-9
    return same


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = p_y less the largest other probability. Drops what the variant flags.

    Raises:
        RecipeError: there are no out-of-fold probabilities.
    """
    p = out_of_fold(signals, "confident-learning")
    rows = np.arange(len(p))
    variant = params.get("variant") or "pbnr"
    by_rate, by_class = prune_by_noise_rate(p, signals.labels), prune_by_class(p, signals.labels)
    flagged = {"pbnr": by_rate, "pbc": by_class, "both": by_rate & by_class}[variant]
    others = p.copy()
    others[rows, signals.labels] = -1
    return Decision(
        scores=Scores(
            method="confident-learning",
            ids=signals.ids,
            values=(p[rows, signals.labels] - others.max(axis=1)).astype(np.float32),
        ),
        drop={int(i): f"{variant}: wrong label" for i in np.flatnonzero(flagged)},
        facts={"flagged_pbnr": int(by_rate.sum()), "flagged_pbc": int(by_class.sum())},
    )
