"""signals + method -> Selection: which training samples are edited, and how."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgekit import registry
from edgekit.curation import bound, gate
from edgekit.curation.budget import count_of, lowest, lowest_balanced, most_edits
from edgekit.curation.by_hand import Instruction, override
from edgekit.curation.edits import drops, relabels, soft_weights, upweighted
from edgekit.curation.manifest import selection_lines, selection_sha256
from edgekit.curation.signals import check
from edgekit.errors import DataError
from edgekit.recipe import CurationSection
from edgekit.types import Decision, Edit, Selection, Signals


def select(
    signals: Signals,
    section: CurationSection,
    *,
    seed: int,
    digest: Callable[[int], str] | None = None,
    by_hand: Sequence[Instruction] = (),
    names: Sequence[str] = (),
) -> tuple[Selection, Decision]:
    """Run a curation method and edit the training set as the section says.

    Args:
        signals: those of the training samples, in data-set order.
        section: method, budget, kind of edit, ...; see recipe.CurationSection.
        digest: sample index -> SHA-256 of its bytes, for selection.jsonl; None = null there.
        by_hand: manual edits, which override the method's and are not bounded.
        names: class names for warnings; () = class numbers.

    Returns:
        The Selection, and the Decision with the underlying scores.

    Raises:
        DataError: the signals are inconsistent, the budget edits none or all samples, or a class would keep no sample.
        RecipeError: a signal that the method needs is missing.
    """
    check(signals)
    count = count_of(section.budget, len(signals.ids))
    decide = registry.load("curations", section.method)
    decision: Decision = decide(signals, budget=count, seed=seed, params=section.parameters)
    # Two names may share a module ("influence" is a form of TracIn): the scores carry the requested name.
    decision = dataclasses.replace(decision, scores=dataclasses.replace(decision.scores, method=section.method))
    if not np.isfinite(decision.scores.values).all():
        raise DataError(f"{section.method!r} gave scores that are not finite; are the signals on a sensible scale?")
    noise, basis = gate.noise(signals)
    chosen, reasons, cut = _choose(signals, section, decision, count, noise)
    chosen, limited = bound.bounded(chosen, signals.labels, bound.limits(signals, section))
    edits = _edit(signals, section, decision, chosen, reasons)
    edits = override(edits, by_hand, signals, decision.scores.values)
    selection = _selection(signals, section, seed, decision, edits, digest)
    facts = {**decision.facts, "estimated_noise": noise, "noise_basis": basis, "cut": cut}
    if "removed_high" in facts:  # of the method's own cut, before the limits on edits
        for side in ("low", "high"):
            facts[f"removed_{side}"] = sum(edit.reason.startswith(f"{side}_loss") for edit in edits.values())
    dropped = len(selection.dropped) / len(signals.ids)
    messages = (
        *decision.warnings,
        *gate.warnings(section.method, noise, basis, dropped, signals, decision),
        *_class_warnings(signals, section, selection, limited, names),
    )
    return dataclasses.replace(selection, facts=facts, warnings=messages, held_back=limited), decision


def _class_warnings(
    signals: Signals,
    section: CurationSection,
    selection: Selection,
    limited: Mapping[int, tuple[int, int]],
    names: Sequence[str],
) -> list[str]:
    sizes, left = np.array(selection.per_class).T
    names = names or [str(k) for k in range(signals.classes)]
    messages = bound.limit_warnings(limited, names, sizes, section.method)
    if registry.CURATIONS[section.method].subset and section.budget is None:
        messages += bound.losses(sizes - left, names, sizes, section.method)
    return messages


def _choose(
    signals: Signals, section: CurationSection, decision: Decision, count: int | None, noise: float | None
) -> tuple[NDArray[np.int64], Mapping[int, str], str]:
    """The samples to edit, lowest score first; the method's reasons; and what determined their number."""
    values, own = decision.scores.values, decision.drop
    reasons: Mapping[int, str] = own or {}
    if own is not None and (section.method == "none" or count is None or len(own) == count):
        number, cut = len(own), "the method's own"
        chosen = np.array(sorted(own, key=lambda i: (values[i], i)), dtype=np.int64)
    else:
        if count is None and noise is None:
            raise DataError(
                f"{section.method!r} only ranks and there is no noise estimate; set how many to edit with a budget."
            )
        number, cut = (count, "budget") if count is not None else (round((noise or 0) * len(values)), "noise estimate")
        chosen = lowest(values, number)
    if section.max_edit is not None and number > (most := most_edits(section.max_edit, len(values))):
        number, cut = most, "max_edit"
        chosen = chosen[:most]
    if section.balance:
        chosen = lowest_balanced(values, signals.labels, number)
    return chosen, reasons, cut


def _edit(
    signals: Signals,
    section: CurationSection,
    decision: Decision,
    chosen: NDArray[np.int64],
    reasons: Mapping[int, str],
) -> dict[int, Edit]:
    named = {int(i): reasons.get(int(i), f"low {decision.scores.method} score") for i in chosen}
    if section.edit == "relabel":
        edits = relabels(signals, named, decision.scores.values, section.relabel_confidence)
    elif section.edit == "weight":
        edits = soft_weights(signals, named, decision.scores.values)
    else:
        edits = drops(signals, named, decision.scores.values)
    if section.upweight:
        edits = upweighted(edits, signals, decision.scores.values, section.upweight)
    return edits


def _selection(
    signals: Signals,
    section: CurationSection,
    seed: int,
    decision: Decision,
    edits: Mapping[int, Edit],
    digest: Callable[[int], str] | None,
) -> Selection:
    keep = np.ones(len(signals.ids), dtype=bool)
    labels = signals.labels.copy()
    weights = np.ones(len(labels), np.float32)
    for i, edit in edits.items():
        if edit.action == "drop":
            keep[i] = False
        elif edit.action == "relabel":
            assert edit.new is not None
            labels[i] = int(edit.new)
        else:
            assert edit.new is not None
            weights[i] = edit.new
    before = np.bincount(signals.labels, minlength=signals.classes)
    if lost := sorted(set(np.flatnonzero(before).tolist()) - set(labels[keep].tolist())):
        raise DataError(
            f"{section.method!r} would leave no sample of class {lost[0]}; a network cannot learn it. Use a smaller budget."
        )
    kept = np.bincount(signals.labels[keep], minlength=signals.classes)
    if not weights[keep].any():
        raise DataError("All remaining samples have weight 0; there is nothing to train on.")
    weighted = any(edit.action == "weight" for edit in edits.values())
    lines = selection_lines(signals.ids, edits, digest)
    return Selection(
        method=section.method,
        params=section.model_dump(mode="json", exclude={"method"}),
        seed=seed,
        kept=signals.ids[keep],
        labels=labels[keep],
        weights=weights[keep] / weights[keep].mean() if weighted else None,
        edits={str(signals.ids[i]): edit for i, edit in edits.items()},
        per_class=[(int(b), int(k)) for b, k in zip(before, kept, strict=True)],
        facts=decision.facts,
        warnings=decision.warnings,
        sha256=selection_sha256(lines),
    )
