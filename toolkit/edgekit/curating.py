"""The curation stage of a build: signals, a choice where "auto" was asked for, the selection, and all its files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import chooser
from edgekit.curation import by_hand, manifest, select
from edgekit.curation.budget import count_of
from edgekit.curation.edits import suggested
from edgekit.curation.stability import stability
from edgekit.data.fingerprint import sample_digest
from edgekit.data.splits import take
from edgekit.errors import RecipeError
from edgekit.recipe import CurationSection, Recipe
from edgekit.report import curation_page
from edgekit.report.gallery import collect
from edgekit.stages import Stages
from edgekit.store import RunFolder
from edgekit.training import stage
from edgekit.training.gather import gather
from edgekit.types import Dataset, Decision, Selection, Signals, Split, TrainedModel

_SHOWN, _SHOWN_PER_CLASS = 1200, 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curated:
    """What curation leaves: the training set to train on (with new labels), the selection, and its summary."""

    train: Split
    selection: Selection
    summary: Mapping[str, Any]
    teacher: TrainedModel | None


def check(recipe: Recipe, dataset: Dataset) -> Sequence[by_hand.Instruction]:
    """Refuse what cannot work before any training: a budget out of range, or unusable edits by hand. Returns the latter.

    Raises:
        DataError: the budget edits none or all samples, or the edits name unknown samples or labels.
    """
    train, section = dataset.train, recipe.curation
    count_of(section.budget, len(train))
    instructions = by_hand.read(Path(section.apply)) if section.apply else []
    known = Signals(ids=train.ids, labels=train.y, classes=len(dataset.classes))
    by_hand.override({}, instructions, known, np.zeros(len(train)))
    return instructions


def curate(recipe: Recipe, dataset: Dataset, folder: RunFolder, stages: Stages) -> Curated:
    """Run the curation of `recipe` into `folder`/curation.

    Raises:
        DataError, RecipeError, TrainingError: as gather and select do.
    """
    instructions = check(recipe, dataset)
    section = recipe.curation
    gathered = gather(section.needs, recipe, dataset, stages)
    teacher = None
    if gathered.teacher:
        path = folder.adopt(gathered.teacher / "teacher.keras", "models/teacher.keras")
        teacher = stage.trained(gathered.teacher, path, selection_sha256="")
    known, train = gathered.signals, dataset.train
    with stages.timed("curation", f"Curation {section.method}"):
        chosen: dict[str, Any] = {}
        if section.method == "auto":
            section, chosen = chooser.choose(known, section, seed=recipe.seed)
            stages.reporter.note(f"auto chose {chosen['chosen']!r}: {chosen['why']}")
        selection, decision = select(
            known, section, seed=recipe.seed, digest=lambda i: sample_digest(train.x[i]), by_hand=instructions
        )
        rows = np.flatnonzero(np.isin(train.ids, selection.kept))
        curated = dataclasses.replace(take(train, rows), y=selection.labels)
        summary = dict(manifest.summary(selection, dataset.classes, dataset.fingerprint))
        summary |= {"curation_flops": gathered.train_flops, "asked": recipe.curation.method}
        if chosen:
            summary["auto"] = chosen
        if section.method != "none":
            summary["validation_trusted"] = known.val_trusted
    if section.repeats:
        summary["stability"] = _stability(recipe, section, dataset, stages, selection, decision)
    _write(folder, dataset, known, selection, decision, summary)
    _tell(stages, selection, summary)
    return Curated(train=curated, selection=selection, summary=summary, teacher=teacher)


def _write(
    folder: RunFolder,
    dataset: Dataset,
    known: Signals,
    selection: Selection,
    decision: Decision,
    summary: Mapping[str, Any],
) -> None:
    train = dataset.train
    index = {str(name): i for i, name in enumerate(train.ids)} if selection.edits else {}
    edits = {index[name]: edit for name, edit in selection.edits.items()}
    folder.write("curation/scores.parquet", manifest.scores_parquet(decision, train.y))
    lines = manifest.selection_lines(train.ids, edits, lambda i: sample_digest(train.x[i]))
    folder.write("curation/selection.jsonl", lines)
    folder.write_json("curation/summary.json", summary)
    folder.write("curation/gallery.npz", collect(dataset, selection))
    if selection.method != "none" or edits:
        folder.write("curation/gallery.html", _page(dataset, known, selection, decision, edits, summary))


def _page(
    dataset: Dataset,
    known: Signals,
    selection: Selection,
    decision: Decision,
    edits: Mapping[int, Any],
    summary: Mapping[str, Any],
) -> str:
    """The gallery: edited samples with the lowest scores, and the lowest of each class that stayed as they were."""
    train, values = dataset.train, decision.scores.values
    shown = sorted(edits, key=lambda i: (float(values[i]), i))[:_SHOWN]
    untouched = np.setdiff1d(np.arange(len(train)), np.fromiter(edits, np.int64, len(edits)))
    for k in range(len(dataset.classes)):
        own = untouched[train.y[untouched] == k]
        shown.extend(own[np.argsort(values[own], kind="stable")[:_SHOWN_PER_CLASS]].tolist())
    rows = np.array(shown, np.int64)
    likely = suggested(known)
    images = train.x[rows]
    page: str = curation_page.render(
        title=f"Curation {selection.method} of {dataset.name}",
        classes=dataset.classes,
        images=images if images.dtype == np.uint8 else np.round(images * 255).astype(np.uint8),
        ids=train.ids[rows].tolist(),
        given=train.y[rows],
        suggested=_new_labels(rows, edits, likely),
        columns={decision.scores.method: values[rows], **{n: column[rows] for n, column in decision.columns.items()}},
        actions=[edits[i].action if i in edits else "keep" for i in shown],
        reasons=[edits[i].reason if i in edits else "" for i in shown],
        facts=_facts(summary),
        warnings=selection.warnings,
        per_class=selection.per_class,
    )
    return page


def _facts(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the gallery's reader wants to know first."""
    noise = summary["estimated_noise"]
    facts = {
        "method": summary["method"],
        "kept": f"{summary['n_kept']:,} of {summary['n_before']:,}",
        "dropped": summary["n_dropped"],
        "relabeled": summary["n_relabeled"],
        "weighted": summary["n_weighted"],
        "labels_that_look_wrong": None if noise is None else f"{noise:.1%} ({summary['noise_basis']})",
        "number_decided_by": summary.get("cut"),
        "members": summary.get("members"),
        "validation_trusted": summary.get("validation_trusted"),
        "selection": summary["selection_sha256"][:12],
    }
    return {name: value for name, value in facts.items() if value is not None}


def _new_labels(
    rows: NDArray[np.int64], edits: Mapping[int, Any], likely: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    given = np.full(len(rows), -1, np.int64) if likely is None else likely[rows].copy()
    for position, i in enumerate(rows.tolist()):
        if i in edits and edits[i].action == "relabel":
            given[position] = int(edits[i].new)
    return given


def _stability(
    recipe: Recipe,
    section: CurationSection,
    dataset: Dataset,
    stages: Stages,
    selection: Selection,
    decision: Decision,
) -> dict[str, Any]:
    """Repeat the whole curation with other RNG seeds (networks, folds and draws) and compare scores and edits."""
    if section.method in ("none", "random"):
        raise RecipeError(f"{section.method!r} has nothing to repeat; leave curation.repeats out.")
    share = max(1, len(selection.edits)) / len(dataset.train)
    values, sets = [decision.scores.values], [set(selection.edits)]
    for repeat in range(1, section.repeats + 1):
        seed = recipe.seed + 1000 * repeat
        again = gather(section.needs, recipe, dataset, stages, seed=seed).signals
        other, scored = select(again, section, seed=seed)
        values.append(scored.scores.values)
        sets.append(set(other.edits))
    found = dataclasses.asdict(stability(values, min(share, 0.5)))
    overlaps = [len(a & b) / max(1, len(a | b)) for i, a in enumerate(sets) for b in sets[i + 1 :]]
    return found | {"varied": "RNG seed of networks, folds and draws", "edits_jaccard": overlaps}


def _tell(stages: Stages, selection: Selection, summary: Mapping[str, Any]) -> None:
    total, note = summary["n_before"], stages.reporter.note
    low, high = summary["removed_low"], summary["removed_high"]
    where = f" (removed_low {low}, removed_high {high})" if selection.method == "iqr" else ""
    note(f"dropped {summary['n_dropped']:,} of {total:,} ({summary['n_dropped'] / total:.1%}){where}")
    if summary["n_relabeled"] or summary["n_weighted"]:
        note(f"relabeled {summary['n_relabeled']:,}, weighted {summary['n_weighted']:,}")
    if (noise := summary["estimated_noise"]) is not None:
        basis = summary["noise_basis"]
        low_estimate = ": a low estimate" if basis == "in-sample" else ""
        note(f"labels that look wrong: {noise:.1%} (confident learning, {basis}{low_estimate})")
    for warning in selection.warnings:
        stages.reporter.warn(warning)
