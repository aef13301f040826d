"""`--curate auto`: choose a curation from the noise estimate and validation evidence, and record the reason.

The estimate decides whether there is anything to clean. The evidence can only veto: a small head on the frozen embeddings is
trained on each candidate's selection and on all samples, and judged by its errors on the validation samples. Errors, not
likelihood: validation labels are as noisy as the rest, and symmetric noise shifts the error of every candidate equally.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.curation import gate, select
from edgekit.curation.head import probabilities, standardized, train_head
from edgekit.curation.spaces import spaces
from edgekit.errors import DataError, RecipeError
from edgekit.evidence import bootstrap
from edgekit.recipe import CurationSection
from edgekit.types import Selection, Signals

# Each is measured in benchmarks/noise_detection.py; a trusted validation split lets consensus use all three default members.
_CANDIDATES: tuple[Mapping[str, Any], ...] = (
    {"method": "self-confidence"},
    {"method": "self-confidence", "edit": "relabel"},
    {"method": "self-confidence", "edit": "weight"},
    {"method": "confident-learning"},
    {"method": "consensus"},
)
_HEAD_EPOCHS = 20


def choose(signals: Signals, section: CurationSection, *, seed: int) -> tuple[CurationSection, dict[str, Any]]:
    """The section to curate with instead of "auto", and the facts behind the choice.

    Args:
        signals: with out-of-fold probabilities and embeddings of training and validation samples.
        section: with method "auto"; its balance, max_edit and manual edits are kept.

    Returns:
        The same section with `method` and `edit` filled in, and facts: "chosen", "why", and an "evidence" table.

    Raises:
        RecipeError: the signals are not sufficient for a choice.
    """
    if signals.oof_probs is None or signals.val_embeddings is None or signals.val_labels is None:
        raise RecipeError("'auto' needs out-of-fold probabilities and embeddings of the validation samples.")
    noise, _ = gate.noise(signals)
    assert noise is not None
    if (weak := gate.weakness(signals)) is not None:
        why = f"{weak}: too weak to judge them (raise teacher.epochs)"
        return nothing(section, why)
    if noise < gate.CLEAN:
        why = f"about {noise:.1%} of the labels look wrong, under {gate.CLEAN:.0%}: too few to distinguish from none"
        return nothing(section, why)
    rows, best = _compare(signals, section, seed)
    if best is None:
        why = f"about {noise:.1%} of the labels look wrong, but " + (
            "no class's own labels support an edit"
            if len(rows) == 1 + sum("left_out" in row for row in rows)
            else "every candidate had more validation errors than no curation"
        )
        return nothing(section, why, rows)
    chosen, row = best
    mean, (low, high) = row["difference"], row["interval"]
    why = (
        f"about {noise:.1%} of the labels look wrong; with {_name(chosen)}, a head had the fewest validation errors of all "
        f"candidates: {mean * 100:+.2f} points compared with no curation (95 % interval {low * 100:+.2f} to {high * 100:+.2f}"
        + (")" if high < 0 else "; no significant gain: the noise estimate decided)")
    )
    return chosen, {"chosen": _name(chosen), "why": why, "evidence": rows}


def _compare(
    signals: Signals, section: CurationSection, seed: int
) -> tuple[list[dict[str, Any]], tuple[CurationSection, dict[str, Any]] | None]:
    """The rows of the evidence, the first of no curation; and the section and row of the best candidate that is no worse."""
    base = _wrong(signals, None, seed)
    rows: list[dict[str, Any]] = [
        {"candidate": "none", "validation_error": float(base.mean()), "difference": 0.0, "interval": [0.0, 0.0]}
    ]
    best = None
    for candidate in _CANDIDATES:
        candidate_section = section.model_copy(update=dict(candidate))
        row = _judged(signals, candidate_section, base, seed)
        rows.append(row)
        if (
            "left_out" not in row
            and row["interval"][0] <= 0
            and (best is None or row["difference"] < best[1]["difference"])
        ):
            best = candidate_section, row
    return rows, best


def _judged(signals: Signals, section: CurationSection, base: NDArray[np.float64], seed: int) -> dict[str, Any]:
    """The row of one candidate: its validation error, also as the difference from `base`; or why it was left out."""
    try:
        selection, _ = select(signals, section, seed=seed)
    except (DataError, RecipeError) as error:
        return {"candidate": _name(section), "left_out": str(error)}
    if not selection.edits:
        return {"candidate": _name(section), "left_out": "the networks' predictions support no edit in any class"}
    difference = (_wrong(signals, selection, seed) - base).astype(np.float64)
    mean, low, high = _interval(difference, seed)
    return {
        "candidate": _name(section),
        "validation_error": float(base.mean() + mean),
        "difference": mean,
        "interval": [low, high],
    }


def nothing(
    section: CurationSection, why: str, evidence: Sequence[Mapping[str, Any]] = ()
) -> tuple[CurationSection, dict[str, Any]]:
    """The result of `choose` when it abstains."""
    none = section.model_copy(update={"method": "none", "budget": None, "upweight": 0.0, "edit": "drop"})
    return none, {"chosen": "none", "why": why, "evidence": list(evidence)}


def _name(section: CurationSection) -> str:
    return section.method if section.edit == "drop" else f"{section.method}, {section.edit}"


def _wrong(signals: Signals, selection: Selection | None, seed: int) -> NDArray[np.float64]:
    """(M,) the share of the folds' heads that misclassify each validation sample, trained on `selection` (None = all samples)."""
    labels, weights, kept = signals.labels, np.ones(len(signals.labels), np.float32), np.ones(len(signals.labels), bool)
    if selection is not None:
        kept = np.isin(signals.ids, selection.kept)
        labels = labels.copy()
        labels[kept] = selection.labels
        if selection.weights is not None:
            weights[kept] = selection.weights
    errors = []
    for space in spaces(signals):
        assert space.val_embeddings is not None and space.val_labels is not None
        h, val_h = standardized(space.embeddings, space.val_embeddings)
        rows = kept[space.index]
        head = train_head(
            h[rows], labels[space.index][rows], signals.classes, seed=seed, epochs=_HEAD_EPOCHS,
            sample_weights=weights[space.index][rows],
        )[-1]  # fmt: skip
        errors.append(probabilities(val_h, head).argmax(axis=1) != space.val_labels)
    wrong: NDArray[np.float64] = np.mean(errors, axis=0)
    return wrong


def _interval(difference: NDArray[np.float64], seed: int) -> tuple[float, float, float]:
    """Mean and 95 % percentile bootstrap interval over validation samples."""
    n = len(difference)
    (mean,), drawn = bootstrap.draw([lambda counts: counts @ difference / n], n, draws=2000, seed=seed)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(mean), float(low), float(high)
