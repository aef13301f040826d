"""The curation stage of a build: signals, a choice where "auto" was asked for, the selection, and all its files."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import registry
from edgekit.curation import auto as chooser
from edgekit.curation import bound, by_hand, manifest, select
from edgekit.curation.budget import count_of, most_edits
from edgekit.curation.stability import stability, variations
from edgekit.data.fingerprint import sample_digest
from edgekit.data.splits import take
from edgekit.errors import DataError, IntegrityError, RecipeError
from edgekit.pipeline import gallery
from edgekit.pipeline.values import Curated, Results, Work
from edgekit.recipe import CurationSection, Recipe
from edgekit.report.gallery import collect
from edgekit.runs.folder import RunFolder
from edgekit.runs.stages import Stages
from edgekit.training import stage
from edgekit.training.gather import fold_numbers, gather, seed_of
from edgekit.types import Dataset, Decision, Selection, Signals

_TEACHER = "teacher.keras"


def check(recipe: Recipe, dataset: Dataset) -> Sequence[by_hand.Instruction]:
    """Refuse what cannot work before any training: a budget, folds, or edits by hand. Returns the latter.

    Raises:
        DataError: the budget edits none or all samples, a fold would lack a class, or the edits name unknown samples.
    """
    train, section = dataset.train, recipe.curation
    count_of(section.budget, len(train))
    if "folds" in section.needs:
        folds_of(recipe, dataset)
    if section.max_edit is not None:
        most_edits(section.max_edit, len(train))
    trusted = section.trusted_val or dataset.own_val
    if section.members and sum(trusted or not registry.CURATIONS[n].on_validation for n in section.members) < 2:
        raise RecipeError(
            "A consensus needs at least 2 members that do not read the validation labels, or --trusted-val; "
            f"found {', '.join(section.members)}."
        )
    instructions = by_hand.read(Path(section.apply)) if section.apply else []
    known = Signals(ids=train.ids, labels=train.y, classes=len(dataset.classes))
    by_hand.override({}, instructions, known, np.zeros(len(train)))
    return instructions


def run(work: Work, results: Results) -> Results:
    """Curate the training samples; the files go into the run's curation/.

    Raises:
        DataError, RecipeError, TrainingError: as gather and select do.
    """
    recipe, dataset, stages = work.recipe, work.dataset, work.stages
    instructions = check(recipe, dataset)
    section = recipe.curation
    if section.apply and work.folder:
        _keep_edits(work.folder, Path(section.apply).read_bytes())
    chosen: dict[str, Any] = {}
    if section.method == "auto" and not folds_of(recipe, dataset):
        section, chosen = chooser.nothing(
            section, "no folds can judge these labels: a class has a single sample or group"
        )
    gathered = gather(needed(section, recipe, dataset), recipe, dataset, stages)
    teacher = None
    if gathered.teacher:
        teacher = stage.trained(gathered.teacher, work.keep(gathered.teacher / _TEACHER, f"models/{_TEACHER}"), "")
    known, train = gathered.signals, dataset.train
    # Kept: a sample may have to be decoded for its digest, which names the selection and goes to its file.
    digest = functools.cache(lambda i: sample_digest(train.x[i]))
    with stages.timed("curation", f"Curation {section.method}"):
        if section.method == "auto" and any(name.startswith("fold") for name in stages.untrained):
            section, chosen = chooser.nothing(
                section, "networks of folds have not learned, so they cannot judge labels"
            )
        elif section.method == "auto":
            section, chosen = chooser.choose(known, section, seed=recipe.seed)
        if chosen:
            stages.reporter.note(f"auto chose {chosen['chosen']!r}: {chosen['why']}")
        selection, decision = select(
            known, section, seed=recipe.seed, digest=digest, by_hand=instructions, names=dataset.classes
        )
        rows = np.flatnonzero(np.isin(train.ids, selection.kept))
        curated = dataclasses.replace(take(train, rows), y=selection.labels)
        summary = _summary(work, section, selection, known) | {"curation_flops": gathered.train_flops}
        summary |= {"auto": chosen} if chosen else {}
    if section.repeats and section.method != "none":
        summary["stability"], flops = _stability(recipe, section, dataset, stages, known, decision)
        summary["stability_flops"] = flops
    if work.folder:
        _write(work.folder, dataset, known, selection, decision, summary, digest)
    _report(stages, selection, summary)
    result = Curated(
        train=curated, selection=selection, summary=summary, teacher=teacher, teacher_folder=gathered.teacher
    )
    return dataclasses.replace(results, curated=result, teacher=teacher, teacher_folder=gathered.teacher)


def _summary(work: Work, section: CurationSection, selection: Selection, known: Signals) -> dict[str, Any]:
    dataset = work.dataset
    summary = dict(manifest.summary(selection, dataset.classes, dataset.fingerprint))
    summary["asked"] = work.recipe.curation.method
    if dataset.flipped is not None:
        summary["injected_noise"] = manifest.injected(selection, dataset.flipped.tolist())
    if section.method != "none":
        summary["validation_trusted"] = known.val_trusted
        if known.val_trusted:
            reason = "--trusted-val" if section.trusted_val else "the data bring a validation split of their own"
            summary["validation_trusted_because"] = reason
    return summary


def networks(work: Work) -> tuple[list[str], list[str]]:
    """The names of the cached trainings whose networks describe the samples: before the selection, and of its repeats."""
    recipe, section = work.recipe, work.recipe.curation
    needs = needed(section, recipe, work.dataset) if section.method != "none" else ()
    folds = folds_of(recipe, work.dataset) if "folds" in needs else 0
    if recipe.student.frozen and set(needs) - {"digests"}:
        return [*(["training"] if recipe.peft.method != "none" else []), "embeddings"], []
    names = ["teacher"] if {"teacher", "dynamics"} & set(needs) else []
    names += [f"fold_{number + 1}" for number in range(folds)]
    names += ["threshold_1", "threshold_2"] if "threshold" in needs else []
    return names, [f"repeat_{repeat}_{name}" for repeat in range(1, section.repeats + 1) for name in names]


def needed(section: CurationSection, recipe: Recipe, dataset: Dataset) -> tuple[str, ...]:
    """The signals to gather: what `section` needs, and folds where they can judge what a class may lose.

    A teacher that has learned its wrong labels agrees with all of them, so that its own view would support no edit.
    """
    needs = section.needs
    judged = bound.applies(dataset.train.y, section) and {"teacher", "dynamics", "threshold"} & set(needs)
    if not judged or "folds" in needs:
        return needs
    with contextlib.suppress(DataError):
        return (*needs, "folds") if folds_of(recipe, dataset) else needs
    return needs


def folds_of(recipe: Recipe, dataset: Dataset) -> int:
    """How many folds the training samples are put into; 0 where `auto` does without, since they cannot be.

    Raises:
        DataError: they cannot be, and the method needs them or the number was asked for.
    """
    section = recipe.curation
    try:
        return int(fold_numbers(dataset.train, section.folds, seed_of(recipe, 0)).max()) + 1
    except DataError:
        if section.method != "auto" or section.folds is not None:
            raise
        return 0


def _keep_edits(folder: RunFolder, content: bytes) -> None:
    """A copy of the edits by hand in the run folder, so that the run repeats; a resumed run must have the same ones."""
    kept = folder.path / "curation/edits.jsonl"
    if kept.exists() and kept.read_bytes() != content:
        raise IntegrityError(f"The edits by hand changed since run {folder.path} was started; start a new run.")
    folder.write("curation/edits.jsonl", content)


def _write(
    folder: RunFolder,
    dataset: Dataset,
    known: Signals,
    selection: Selection,
    decision: Decision,
    summary: Mapping[str, Any],
    digest: Callable[[int], str],
) -> None:
    train = dataset.train
    index = {str(name): i for i, name in enumerate(train.ids)} if selection.edits else {}
    edits = {index[name]: edit for name, edit in selection.edits.items()}
    folder.write("curation/scores.parquet", manifest.scores_parquet(decision, train.y))
    lines = manifest.selection_lines(train.ids, edits, digest)
    folder.write("curation/selection.jsonl", lines)
    folder.write_json("curation/summary.json", summary)
    folder.write("curation/gallery.npz", collect(dataset, selection))
    if selection.method != "none" or edits:
        folder.write("curation/gallery.html", gallery.page(dataset, known, selection, decision, edits, summary))


def _stability(
    recipe: Recipe, section: CurationSection, dataset: Dataset, stages: Stages, known: Signals, decision: Decision
) -> tuple[dict[str, Any], int]:
    """Repeat the curation with other RNG seeds (networks, folds and draws): agreement of scores and edits, and its FLOPs.

    A frozen backbone is the same in every repeat: its embeddings vary in none, which the report says.

    Beside it, at no training: other views of the same signals, where the method reads them. Edits by hand are left out: they
    are the same in every repeat.
    """
    base = decision.scores.values
    values, sets, flops = [base], [set(select(known, section, seed=recipe.seed)[0].edits)], 0
    for repeat in range(1, section.repeats + 1):
        again = gather(needed(section, recipe, dataset), recipe, dataset, stages, repeat=repeat)
        other, scored = select(again.signals, section, seed=seed_of(recipe, repeat))
        values.append(scored.scores.values)
        sets.append(set(other.edits))
        flops += again.train_flops
    share = min(0.5, max(1, len(sets[0])) / len(dataset.train))
    agreement = dataclasses.asdict(stability(values, share))
    for name, views in variations(known, recipe.seed):
        seen = [select(view, section, seed=recipe.seed)[1].scores.values for view in views]
        if not all(np.array_equal(other, base) for other in seen):
            agreement[name] = dataclasses.asdict(stability([base, *seen], share))
    overlaps = [len(a & b) / max(1, len(a | b)) for i, a in enumerate(sets) for b in sets[i + 1 :]]
    frozen = recipe.student.frozen and set(section.needs) - {"digests"}
    varied = "heads, folds and draws; the frozen backbone is the same" if frozen else "networks, folds and draws"
    return agreement | {"varied": f"RNG seed of {varied}", "edits_jaccard": overlaps}, flops


def _report(stages: Stages, selection: Selection, summary: Mapping[str, Any]) -> None:
    total, note = summary["n_before"], stages.reporter.note
    low, high = summary["removed_low"], summary["removed_high"]
    where = f" (removed_low {low}, removed_high {high})" if selection.method == "iqr" else ""
    note(f"dropped {summary['n_dropped']:,} of {total:,} ({summary['n_dropped'] / total:.1%}){where}")
    if summary["n_relabeled"] or summary["n_weighted"]:
        note(f"relabeled {summary['n_relabeled']:,}, weighted {summary['n_weighted']:,}")
    if (known := summary.get("injected_noise")) and known["precision"] is not None:
        note(
            f"of {known['count']:,} labels made wrong on purpose it edited {known['edited']:,} (recall {known['recall']:.1%}, "
            f"precision {known['precision']:.1%})"
        )
    if (noise := summary["estimated_noise"]) is not None:
        basis = summary["noise_basis"]
        low_estimate = ", which is low" if basis == "in-sample" else ""
        note(f"labels that look wrong: about {noise:.1%} (estimated {basis}{low_estimate})")
    for warning in selection.warnings:
        stages.reporter.warn(warning)
