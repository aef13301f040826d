"""Does a method repeat itself? Agreement of its scores over seeds, folds, checkpoints or projections.

Jaccard of the sets of lowest scores and Spearman's correlation of all scores, over every pair of repeats (docs/methods.md,
"Stability of a selection").
Two random sets of a share q of the samples have a Jaccard of about q / (2 - q): at q = 1 % even .1 is far from chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from edgekit.errors import DataError
from edgekit.types import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """Agreement over all pairs of repeats. jaccard_*: in [0, 1], of the `edits` lowest scores; spearman_*: in [-1, 1].

    jaccard_chance: the value for random sets of that size, q / (2 - q). spearman_*: None when all scores of a repeat are equal.
    """

    runs: int
    edits: int
    jaccard_mean: float
    jaccard_min: float
    jaccard_chance: float
    spearman_mean: float | None
    spearman_min: float | None


def stability(runs: Sequence[NDArray[Any]], share: float) -> Stability:
    """Compare repeats of one method on the same samples.

    Args:
        runs: at least two arrays (N,) of finite scores, higher = more worth keeping, samples in the same order.
        share: q in (0, 1), the share of the samples in an edit set; at least one sample. Ties keep the data-set order.

    Raises:
        DataError: fewer than two repeats, different lengths, values that are not finite, or a share out of range.
    """
    lengths = {len(run) for run in runs}
    if len(runs) < 2 or len(lengths) != 1 or lengths == {0}:
        raise DataError(f"Stability needs two or more score arrays of one length; found lengths {[*map(len, runs)]}.")
    if not 0 < share < 1:
        raise DataError(f"The share of an edit set must lie between 0 and 1; found {share:g}.")
    if not all(np.isfinite(run).all() for run in runs):
        raise DataError("Stability needs finite scores; found NaN or infinity.")
    count = lengths.pop()
    edits = max(1, round(share * count))
    lowest = [set(np.argsort(run, kind="stable")[:edits].tolist()) for run in runs]
    jaccard = [len(one & other) / len(one | other) for one, other in combinations(lowest, 2)]
    constant = any(np.ptp(run) == 0 for run in runs)
    spearman = [] if constant else [float(spearmanr(one, other).statistic) for one, other in combinations(runs, 2)]
    return Stability(
        runs=len(runs),
        edits=edits,
        jaccard_mean=float(np.mean(jaccard)),
        jaccard_min=min(jaccard),
        jaccard_chance=edits / (2 * count - edits),
        spearman_mean=float(np.mean(spearman)) if spearman else None,
        spearman_min=min(spearman) if spearman else None,
    )


def variations(signals: Signals, seed: int) -> Iterator[tuple[str, list[Signals]]]:
    """The same signals with small changes that need no training, and that should hardly change a score.

    Yields:
        "random projections": embeddings on three random subspaces of half the width (Johnson & Lindenstrauss 1984).
        "checkpoints": only the first or only the second half of the epochs. Each only if such signals exist.
    """
    if signals.embeddings is not None:
        width = signals.embeddings.shape[1]
        narrow = max(1, width // 2)
        projected = []
        for repeat in range(3):
            draws = np.random.default_rng([seed, repeat]).normal(size=(width, narrow)) / np.sqrt(narrow)
            matrix = draws.astype(np.float32)
            val = None if signals.val_embeddings is None else signals.val_embeddings @ matrix
            projected.append(replace(signals, embeddings=signals.embeddings @ matrix, val_embeddings=val))
        yield "random projections", projected
    if signals.margins is not None and signals.errors is not None and len(signals.margins) > 1:
        half = len(signals.margins) // 2
        yield (
            "checkpoints",
            [
                replace(signals, margins=signals.margins[epochs], errors=signals.errors[epochs])
                for epochs in (slice(None, half), slice(half, None))
            ],
        )
