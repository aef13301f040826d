"""Area under the margin: mean over epochs of the given label's logit minus the largest other (Pleiss et al. 2020, 2001.10528).

rank: only ranks, from one training run. threshold: the paper's cutoff; two runs in which N / (K + 1) samples get a label that
does not exist; every sample below the 99th percentile of their margins is flagged.
One training instead of K, and among the best single scores on symmetric noise (docs/curation.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.curation.signals import required
from edgekit.types import Decision, Scores, Signals

_PERCENTILE = 99


def decide(signals: Signals, *, budget: int | None, seed: int, params: Mapping[str, Any]) -> Decision:
    """Score = mean margin in logits.

    Raises:
        RecipeError: the signals that the chosen variant needs are missing.
    """
    if (params.get("variant") or "rank") == "rank":
        margins = required(signals.margins, "aum", "the margins after each epoch of a training")
        return Decision(scores=Scores(method="aum", ids=signals.ids, values=margins.mean(axis=0, dtype=np.float32)))
    areas = required(signals.threshold_areas, "aum", "the margins of two trainings with threshold samples")
    marked = required(signals.threshold_samples, "aum", "the threshold samples of two trainings")
    limits = [np.percentile(area[mark], _PERCENTILE) for area, mark in zip(areas, marked, strict=True)]
    # A threshold sample of the first run has a false label there, so the second run judges it.
    run = marked[0].astype(np.int64)
    values = areas[run, np.arange(len(run))]
    flagged = values <= np.array(limits)[run]
    return Decision(
        # The two runs have different thresholds, so scores are distances from the threshold.
        scores=Scores(method="aum", ids=signals.ids, values=(values - np.array(limits)[run]).astype(np.float32)),
        drop={int(i): "margin under the threshold samples'" for i in np.flatnonzero(flagged)},
        facts={"threshold_first": float(limits[0]), "threshold_second": float(limits[1])},
    )
