"""The signals that a curation method needs, gathered from as many training runs as necessary, each cached separately.

teacher: one network on all samples. dynamics: the same, described after each epoch. folds: K networks, each describing the
samples it was not trained on. threshold: two networks trained with a class that does not exist (AUM's threshold samples).
With student.frozen, the networks are heads on the embeddings of the student's own trunk (see frozen.py).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.fingerprint import sample_digest
from edgekit.data.splits import clips_of
from edgekit.errors import DataError
from edgekit.recipe import Recipe
from edgekit.runs.stages import Stages
from edgekit.training import frozen, jobs, signals, stage
from edgekit.types import Dataset, Signals, Split

_FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gathered:
    """Signals and their cost. teacher: the cached folder of the network on all samples (teacher.keras, training.json).

    train_flops: of all the networks, forward and backward (docs/methods.md, "FLOPs").
    """

    signals: Signals
    teacher: Path | None
    train_flops: int


def gather(needs: Sequence[str], recipe: Recipe, dataset: Dataset, stages: Stages, *, repeat: int = 0) -> Gathered:
    """Train what `needs` lists (recipe.CurationSection.needs) and assemble the signals.

    Args:
        repeat: for the stability report: other RNG seeds of networks (only of heads if the backbone is frozen) and folds; 0 =
            the recipe's own.

    Raises:
        DataError: a fold would lack a class, or there are fewer groups than folds.
        TrainingError: training diverged.
    """
    train = dataset.train
    seed = seed_of(recipe, repeat)
    named = f"repeat_{repeat}_" if repeat else ""
    collected: dict[str, Any] = {
        "ids": train.ids,
        "labels": train.y,
        "classes": len(dataset.classes),
        "groups": train.group,
        "val_labels": dataset.val.y,
        "val_trusted": recipe.curation.trusted_val or dataset.own_val,
    }
    teacher: Path | None = None
    folders: list[Path] = []
    flops = 0
    if recipe.student.frozen and set(needs) - {"digests"}:
        embedded = frozen.embed(recipe, dataset, stages)
        described, flops = frozen.describe(
            needs, embedded, train.y, len(dataset.classes), seed=seed, epochs=recipe.teacher.epochs,
            fold_of=fold_numbers(train, recipe.curation.folds, seed) if "folds" in needs else None,
            marked=_marked(len(train), len(dataset.classes), seed) if "threshold" in needs else None,
        )  # fmt: skip
        collected |= described
        if not repeat:  # which reads the same embeddings again
            flops += embedded.train_flops
        needs = [need for need in needs if need == "digests"]
    if "teacher" in needs or "dynamics" in needs:
        teacher = _teacher(recipe, dataset, stages, seed, named, per_epoch="dynamics" in needs)
        folders.append(teacher)
        seen = signals.read(teacher / "signals.npz")
        collected |= {name: seen[name] for name in ("pred_probs", "margins", "errors") if name in seen}
        if "folds" not in needs:
            collected |= {"embeddings": seen["embeddings"], "val_embeddings": seen["val_embeddings"][None]}
    if "folds" in needs:
        collected |= _folds(recipe, dataset, stages, seed, named, folders)
    if "threshold" in needs:
        collected |= _threshold(recipe, dataset, stages, seed, named, folders)
    if "digests" in needs:
        collected["digests"] = np.array(
            [sample_digest(x) for start in range(0, len(train), 512) for x in train.x[start : start + 512]]
        )
    flops += sum(map(stage.cost, folders))
    return Gathered(signals=Signals(**collected), teacher=teacher, train_flops=flops)


def plain_teacher(recipe: Recipe, dataset: Dataset, stages: Stages) -> Path:
    """The cached folder of the teacher on all samples, without signals: for distillation if the curation trains no teacher."""
    train = dataset.train
    job = jobs.Job(ids=train.ids, labels=train.y, seed=jobs.teacher_seed(recipe))
    key = jobs.key(recipe, dataset, job, recipe.teacher)
    job = dataclasses.replace(job, checkpoint=str(stages.progress("teacher", key)))
    return stage.network("teacher", _title(recipe, "Teacher"), "teacher", recipe, dataset, job, key, stages)


def _title(recipe: Recipe, what: str) -> str:
    return f"{what} {jobs.named(recipe.teacher)}, {recipe.teacher.epochs} epochs"


def seed_of(recipe: Recipe, repeat: int) -> int:
    """The RNG seed of a repeat; seeds are far apart, since a fold's network adds its number."""
    return (jobs.teacher_seed(recipe) + 1000 * repeat) % 2**31


def _teacher(recipe: Recipe, dataset: Dataset, stages: Stages, seed: int, named: str, *, per_epoch: bool) -> Path:
    train = dataset.train
    job = jobs.Job(ids=train.ids, labels=train.y, watch=train.ids, per_epoch=per_epoch, seed=seed)
    key = jobs.key(recipe, dataset, job, recipe.teacher)
    return stage.network(f"{named}teacher", _title(recipe, "Teacher"), "teacher", recipe, dataset, job, key, stages)


def _folds(
    recipe: Recipe, dataset: Dataset, stages: Stages, seed: int, named: str, folders: list[Path]
) -> dict[str, Any]:
    train = dataset.train
    fold_of = fold_numbers(train, recipe.curation.folds, seed)
    count = int(fold_of.max()) + 1
    if recipe.curation.folds is None and count < _FOLDS:
        stages.reporter.note(
            f"{count} folds instead of {_FOLDS}: the rarest class, or the number of groups, allows no more"
        )
    parts = []
    for number in range(count):
        inside = fold_of != number
        job = jobs.Job(ids=train.ids[inside], labels=train.y[inside], watch=train.ids[~inside], seed=seed + number)
        title, key = _title(recipe, f"Fold {number + 1} of {count}:"), jobs.key(recipe, dataset, job, recipe.teacher)
        folder = stage.network(f"{named}fold_{number + 1}", title, "fold", recipe, dataset, job, key, stages)
        folders.append(folder)
        parts.append(signals.read(folder / "signals.npz"))
    joined = {
        name: np.empty((len(train), parts[0][name].shape[1]), np.float32) for name in ("pred_probs", "embeddings")
    }
    for number, part in enumerate(parts):
        for name, whole in joined.items():
            whole[fold_of == number] = part[name]
    return {
        "oof_probs": joined["pred_probs"],
        "embeddings": joined["embeddings"],
        "folds": fold_of,
        "val_embeddings": np.stack([part["val_embeddings"] for part in parts]),
    }


def fold_numbers(train: Split, count: int | None, seed: int) -> NDArray[np.int64]:
    """(N,) the fold of each sample: stratified by label; a group's samples, and a clip's, are all in one fold.

    Args:
        count: number of folds; None = 5, or the most below that for which each class and each group suffices, at least 2.

    Raises:
        DataError: there are fewer groups than folds, or a class has all its samples in one fold.
    """
    if count is not None:
        return _folds_of(train, count, seed)
    for fewer in range(_FOLDS, 2, -1):
        with contextlib.suppress(DataError):
            return _folds_of(train, fewer, seed)
    return _folds_of(train, 2, seed)


def _folds_of(train: Split, count: int, seed: int) -> NDArray[np.int64]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    sizes = np.bincount(train.y[clips_of(train)[0]])
    present = np.flatnonzero(sizes)
    rarest = int(present[sizes[present].argmin()])
    if sizes[rarest] < count:
        raise DataError(
            f"{count} folds need {count} samples of each class; label {rarest} has {sizes[rarest]}. "
            + (
                "Add samples or use fewer folds (--folds)."
                if count > 2
                else "Add samples, or use a method without folds (iqr)."
            )
        )
    together = train.clip if train.group is None else train.group
    if together is None:
        splits = StratifiedKFold(count, shuffle=True, random_state=seed).split(train.y, train.y)
    else:
        groups = len(np.unique(together))
        if groups < count:
            raise DataError(f"{count} folds need {count} groups, since a group stays whole; found {groups} (--folds).")
        splits = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(train.y, train.y, together)
    fold_of = np.empty(len(train), np.int64)
    for number, (inside, outside) in enumerate(splits):
        fold_of[outside] = number
        if len(missing := np.setdiff1d(present, train.y[inside])):
            raise DataError(
                f"Without fold {number + 1} of {count}, no sample of label {missing[0]} is left: its samples are all in one "
                "group. Use another number of folds (--folds), or add groups."
            )
    return fold_of


def _threshold(
    recipe: Recipe, dataset: Dataset, stages: Stages, seed: int, named: str, folders: list[Path]
) -> dict[str, Any]:
    train, classes = dataset.train, len(dataset.classes)
    marked = _marked(len(train), classes, seed)
    areas = []
    for run in range(2):
        job = jobs.Job(
            ids=train.ids,
            labels=np.where(marked[run], classes, train.y),
            watch=train.ids,
            per_epoch=True,
            seed=seed + run,
            classes=classes + 1,
        )
        title, key = _title(recipe, f"Threshold run {run + 1} of 2:"), jobs.key(recipe, dataset, job, recipe.teacher)
        folder = stage.network(f"{named}threshold_{run + 1}", title, "teacher", recipe, dataset, job, key, stages)
        folders.append(folder)
        areas.append(signals.read(folder / "signals.npz")["margins"].mean(axis=0, dtype=np.float32))
    return {"threshold_areas": np.stack(areas), "threshold_samples": marked}


def _marked(count: int, classes: int, seed: int) -> NDArray[np.bool_]:
    """(2, N) the samples labeled with the class that does not exist, as many as a class has, in each of two runs."""
    order = np.random.default_rng(seed).permutation(count)
    number = max(1, count // (classes + 1))
    marked = np.zeros((2, count), dtype=bool)
    for run in range(2):
        marked[run, order[run * number : (run + 1) * number]] = True
    return marked
