"""Any two finished runs, or two groups of them: how their files differ on the same test samples, and what that shows."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import recipe as recipes
from edgekit.errors import DataError, IntegrityError, UnknownName, UsageError
from edgekit.evidence import verdict
from edgekit.evidence.comparisons import Predictions, compare
from edgekit.inference.evaluate import load_predictions, predictions_of
from edgekit.report import classes
from edgekit.report.write import read
from edgekit.runs import recorded
from edgekit.runs.files import sha256_file
from edgekit.runs.folder import MANIFEST

# What may differ between the runs of one arm: it affects no file.
_ASIDE = ("seed", "bench", "gates", "max_drop", "control", "operating")


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run folder and its report.json."""

    path: Path
    document: Mapping[str, Any]

    @property
    def files(self) -> list[str]:
        return [artifact["name"] for artifact in self.document["artifacts"]]

    @property
    def shipped(self) -> str:
        return str(self.document["run"]["shipped"])

    @property
    def seed(self) -> int:
        return int(self.document["recipe"]["seed"])


def runs(path_a: Path, path_b: Path, artifact: str | None = None) -> dict[str, Any]:
    """Compare the files of the same name in two runs, and their shipped files if these have different names, on test.

    Args:
        artifact: only the files of this name.

    Returns:
        a, b (the folders), recipes_differ_in (dotted keys), uneven (what is uneven about the classes of one of them, or None),
        comparisons (rows of `edgekit.evidence.comparisons.compare`).

    Raises:
        UsageError: both are the same folder. UnknownName: one has no file `artifact`.
        IntegrityError: one is not a finished run, or its predictions are missing or damaged.
        DataError: they were tested on different samples, or have no file in common.
    """
    a, b = _open(path_a), _open(path_b)
    if path_a.resolve() == path_b.resolve():
        raise UsageError(f"{path_a} and {path_b} are the same run; expected two different ones.")
    if artifact is None:
        pairs = [(name, name) for name in a.files if name in b.files]
        if a.shipped != b.shipped:
            pairs.append((a.shipped, b.shipped))
    else:
        for run in (a, b):
            if artifact not in run.files:
                raise UnknownName(f"artifact of {run.path}", artifact, run.files)
        pairs = [(artifact, artifact)]
    rows = []
    for one, other in pairs:
        first, second = f"{a.path}/{one}", f"{b.path}/{other}"
        ours = _predictions(a, one)
        rows.append(compare("runs", first, ours, second, _aligned(ours, first, _predictions(b, other), second, (a, b))))
    return {
        "a": str(path_a),
        "b": str(path_b),
        "recipes_differ_in": _differ(a, b),
        "uneven": classes.uneven(a.document) or classes.uneven(b.document),
        "comparisons": rows,
    }


def arms(
    paths_a: Sequence[Path], paths_b: Sequence[Path], metrics: Sequence[str], artifact: str | None = None
) -> dict[str, Any]:
    """Judge one recipe against another, each run with several RNG seeds, paired by the seed of the recipe.

    Args:
        artifact: the file of each run to judge; None = the one that it ships.

    Returns:
        a, b (the folders), recipes_differ_in (dotted keys), verdicts (rows of `edgekit.evidence.verdict.Verdict`), sentences.

    Raises:
        UsageError: an arm has a seed twice, or runs of several recipes.
        Also the errors of `runs`.
    """
    opened = {"a": [_open(path) for path in paths_a], "b": [_open(path) for path in paths_b]}
    reference: tuple[Run, str, Predictions] | None = None
    judged: dict[str, dict[int, Any]] = {"a": {}, "b": {}}
    for arm, members in opened.items():
        for run in members:
            twin = next((other for other in members if other.seed == run.seed and other is not run), None)
            if twin is not None:
                raise UsageError(f"Arm {arm} has the seed {run.seed} twice, in {run.path} and {twin.path}.")
            apart = [key for key in _differ(members[0], run) if key.split(".")[0] not in _ASIDE]
            if differ := [key for key in apart if not _own_draw(members[0], run, key)]:
                raise UsageError(
                    f"The runs of arm {arm} must differ only in their seed: {members[0].path} and {run.path} differ in "
                    f"{', '.join(differ)}."
                )
            name = artifact or run.shipped
            if name not in run.files:
                raise UnknownName(f"artifact of {run.path}", name, run.files)
            predictions, where = _predictions(run, name), f"{run.path}/{name}"
            if reference is None:
                reference = run, where, predictions
            judged[arm][run.seed] = _aligned(reference[2], reference[1], predictions, where, (reference[0], run))
    verdicts = verdict.judge(judged, [("a", "b")], metrics)
    return {
        "a": [str(run.path) for run in opened["a"]],
        "b": [str(run.path) for run in opened["b"]],
        "recipes_differ_in": [key for key in _differ(opened["a"][0], opened["b"][0]) if key != "seed"],
        "verdicts": [each.row() for each in verdicts],
        "sentences": [each.sentence for each in verdicts],
    }


def _open(path: Path) -> Run:
    document = read(path)
    _intact(path, "report.json")
    return Run(path, document)


def _intact(root: Path, name: str) -> Path:
    """The file `name` of a run, if it is unchanged. Raises IntegrityError."""
    path = recorded.inside(root, name, root / "report.json")
    digest = recorded.digests(recorded.manifest(root / MANIFEST) or {"files": {}}, root / MANIFEST).get(name)
    if digest is None:
        raise IntegrityError(f"{root / MANIFEST} does not list {name}: {root} is not a finished edgekit run.")
    if not path.is_file():
        raise IntegrityError(f"{path} is missing; restore it, or build the run again.")
    if sha256_file(path) != digest:
        raise IntegrityError(f"{path} changed since the run wrote it; restore it, or build the run again.")
    return path


def _predictions(run: Run, name: str) -> Predictions:
    """The test predictions of a file of a run."""
    path = _intact(run.path, predictions_of(name, "test"))
    try:
        return load_predictions(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise IntegrityError(f"{path} is damaged ({type(error).__name__}); build the run again.") from None


def _aligned(ours: Predictions, name: str, theirs: Predictions, other: str, both: tuple[Run, Run]) -> Predictions:
    """`theirs` in the order of `ours`. Raises DataError if they are not of the same samples."""
    classes = [run.document["dataset"]["classes"] for run in both]
    if classes[0] != classes[1]:
        raise DataError(f"{name} and {other} predict different classes and cannot be compared.")
    ids, labels, p = theirs
    order, wanted = np.argsort(ids, kind="stable"), np.argsort(ours[0], kind="stable")
    if not np.array_equal(ours[0][wanted], ids[order]):
        common = len(np.intersect1d(ours[0], ids))
        raise DataError(
            f"{name} and {other} were tested on different samples ({len(ours[0]):,} and {len(ids):,}, {common:,} in common) "
            "and cannot be compared: test both runs on the same split."
        )
    index = np.empty_like(order)
    index[wanted] = order
    if not np.array_equal(ours[1], labels[index]):
        raise DataError(
            f"{name} and {other} were tested on samples with the same names but different labels: expected the same data."
        )
    return ids[index], labels[index], p[index]


def _own_draw(a: Run, b: Run, key: str) -> bool:
    """Whether it is the edits of a study's class-matched control: every RNG seed has its own, in a file named after the run."""
    if key != "curation.apply":
        return False
    names = []
    for run in (a, b):
        file = Path(run.document["recipe"]["curation"]["apply"] or "")
        if file.parent.name != "controls":
            return False
        names.append(re.sub(f"-{run.seed}(?=[-.])", "", file.name, count=1))
    return names[0] == names[1]


def _differ(a: Run, b: Run) -> list[str]:
    """The keys in which the recipes differ, if both are readable by this edgekit."""
    one, other = (recipes.from_mapping(run.document["recipe"]) for run in (a, b))
    return recipes.differences(one, other)
