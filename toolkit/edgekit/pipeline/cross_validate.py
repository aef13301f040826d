"""--cv K: the recipe's whole road once for each fold, each a run of its own in cv/1, cv/2, ...; and their answers put together.

A fold's build holds out its own val and cal, curates, trains and quantizes as the shipped file's does, and has its fold as the
test part. So what is pooled are answers of files that had not seen the samples: they tell of the recipe, not of the shipped file.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import GateNotMet, IntegrityError, NotLearned
from edgekit.evidence import cross_validation
from edgekit.inference.evaluate import evaluation_of, load_logits, load_predictions, predictions_of
from edgekit.recipe import Recipe
from edgekit.runs import recorded
from edgekit.runs.folder import MANIFEST, RunFolder
from edgekit.runs.stages import Stages
from edgekit.types import Artifact, Dataset, Evaluation, Reporter, Split

SPLIT = "cv"


def run(recipe: Recipe, folder: RunFolder, stages: Stages, build: Callable[..., Any], *, lenient: bool) -> list[Path]:
    """Build each fold that is not there yet, and return their run folders, in order.

    Args:
        recipe: of the shipped file, with numbers for what was "auto": the folds' settings are the same. build: `pipeline.build`.

    Raises:
        EdgekitError: what stopped a fold's build; the folds before it stay, and --resume goes on with it.
    """
    count, paths = recipe.data.cv or 0, []
    for number in range(1, count + 1):
        path = folder.path / SPLIT / str(number)
        arm = _of_fold(recipe, number)
        paths.append(path)
        with stages.timed("cross_validation", f"Cross-validation, fold {number} of {count}"):
            held = recorded.manifest(path / MANIFEST)
            begun, manifest = held is not None, held if isinstance(held, dict) else {}
            same = manifest.get("recipe") == arm.to_yaml()
            if same and manifest.get("status") == "complete":
                stages.reporter.note("done before")
                continue
            try:
                build(
                    arm, path, resume=same, force=begun and not same, lenient=lenient, reporter=_Folds(stages.reporter)
                )
            except (GateNotMet, NotLearned) as missed:
                if missed.report is None:  # a file is wrong, rather than a demand not met
                    raise
    return paths


def pool(
    paths: Sequence[Path], artifacts: Sequence[Artifact], dataset: Dataset, folder: RunFolder, reporter: Reporter
) -> tuple[list[Evaluation], dict[str, Any]]:
    """The folds' answers, pooled for each file, into evaluation/NAME.cv.predictions.npz; and `cross_validation` of report.json.

    Raises:
        IntegrityError: the folds did not test each sample once.
    """
    evaluations, files = [], {}
    whole = [part for part in (dataset.train, dataset.val, dataset.cal) if len(part)]
    for artifact in artifacts:
        arrays = _pooled(paths, artifact.name)
        stored, ids, labels, p = (
            predictions_of(artifact.name, SPLIT),
            *(arrays[k] for k in ("ids", "labels", "probabilities")),
        )
        learned = dataset.train.ids if dataset.train.clip is None else dataset.train.clip
        if len(np.unique(ids)) != len(ids) or not np.isin(learned, ids).all():
            raise IntegrityError(
                f"The folds in {folder.path / SPLIT} did not test each sample once; build again with --force."
            )
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        path = folder.write(stored, buffer.getvalue())
        evaluation = evaluation_of(artifact, SPLIT, p, labels, dataset.classes, path)
        evaluations.append(evaluation)
        judged = cross_validation.judge(p.argmax(axis=1) == labels, arrays["fold"], _groups(ids, whole))
        files[artifact.name] = dataclasses.asdict(judged) | {"predictions": stored}
        low, high = judged.interval
        reporter.note(
            f"{artifact.name}: accuracy of the recipe, {judged.folds}-fold: {judged.accuracy:.4f} "
            f"(95 % interval {low:.4f} to {high:.4f})"
        )
    return evaluations, {"split": SPLIT, "folds": len(paths), "files": files}


def _of_fold(recipe: Recipe, number: int) -> Recipe:
    """The recipe of a fold: its own held-out samples in proportion, nothing measured, demanded or shipped."""
    changed = recipe.model_dump(mode="json")
    held, count = recipe.data.val_fraction, recipe.data.cv or 0
    if isinstance(held, int):
        changed["data"]["val_fraction"] = max(2, round(held * (count - 1) / count))
    changed["data"]["fold"] = number
    changed |= {"gates": (), "bench": changed["bench"] | {"targets": ()}}
    changed["student"]["max_size"] = None
    changed["quantization"]["waveform"] = False
    if recipe.quantization.precision != "auto":  # whose ladder must climb for the same demand
        changed["max_drop"] = None
    return Recipe.model_validate(changed)


def _pooled(paths: Sequence[Path], name: str) -> dict[str, NDArray[Any]]:
    parts, raw = [], []
    for path in paths:
        stored = path / predictions_of(name, "test")
        if not stored.exists():  # an int8 ONNX form that did not agree is left out; the .tflite is what it is made from
            stored = path / predictions_of(f"{Path(name).stem}.tflite", "test")
        parts.append(load_predictions(stored))
        raw.append(load_logits(stored))
    ids, labels, probabilities = (np.concatenate(column) for column in zip(*parts, strict=True))
    fold = np.repeat(np.arange(1, len(paths) + 1), [len(part[0]) for part in parts])
    pooled = {"ids": ids, "labels": labels, "probabilities": probabilities, "fold": fold}
    logits = [each for each in raw if each is not None]
    return pooled | ({"logits": np.concatenate(logits)} if len(logits) == len(paths) else {})


def _groups(ids: NDArray[np.str_], parts: Sequence[Split]) -> NDArray[np.str_] | None:
    """(N,) the group of each sample or clip, None where the data have none."""
    known: dict[str, str] = {}
    for part in parts:
        if part.group is None:
            return None
        known |= dict(zip((part.ids if part.clip is None else part.clip).tolist(), part.group.tolist(), strict=True))
    return np.array([known.get(name, name) for name in ids.tolist()])


class _Folds:
    """What a fold's build tells: its stages as they go, not its results, which the pooled ones stand for."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def stage(self, title: str) -> None:
        self._reporter.stage(f"  {title}")

    def progress(self, done: int, total: int, text: str) -> None:
        self._reporter.progress(done, total, text)

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...
