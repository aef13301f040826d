"""Area under the margin: the mean over epochs of the given label's logit less the largest other (Pleiss et al. 2020, 2001.10528).

rank: only ranks, by one training. threshold: the paper's cut; two trainings in which N / (K + 1) samples get a label that
does not exist, and whatever lies under the 99th percentile of their margins is flagged.
One training instead of K; the best single score on symmetric noise (METHODS.md section 9).
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
        RecipeError: the signals of the asked variant are missing.
    """
    if (params.get("variant") or "rank") == "rank":
        margins = required(signals.margins, "aum", "the margins after each epoch of a training")
        return Decision(scores=Scores(method="aum", ids=signals.ids, values=margins.mean(axis=0, dtype=np.float32)))
    areas = required(signals.threshold_areas, "aum", "the margins of two trainings with threshold samples")
    marked = required(signals.threshold_samples, "aum", "the threshold samples of two trainings")
    limits = [np.percentile(area[mark], _PERCENTILE) for area, mark in zip(areas, marked, strict=True)]
    # A threshold sample of the first training carries a false label there: the second one judges it.
    run = marked[0].astype(np.int64)
    values = areas[run, np.arange(len(run))]
    flagged = values <= np.array(limits)[run]
    return Decision(
        # Two trainings have two thresholds: the distance from it is what compares.
        scores=Scores(method="aum", ids=signals.ids, values=(values - np.array(limits)[run]).astype(np.float32)),
        drop={int(i): "margin under the threshold samples'" for i in np.flatnonzero(flagged)},
        facts={"threshold_first": float(limits[0]), "threshold_second": float(limits[1])},
    )
