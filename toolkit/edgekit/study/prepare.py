"""Checks before the first run: recipes, budgets, judged files, and data that cannot be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import data
from edgekit.errors import DataError, EdgekitError, RecipeError
from edgekit.export.write import stem
from edgekit.pipeline import curate as curating
from edgekit.recipe import Recipe
from edgekit.study.definition import Study
from edgekit.study.plan import Plan, plan, recipe_of
from edgekit.study.results import SHIPPED
from edgekit.training import budget
from edgekit.types import Dataset, InputSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """data: (K,) samples of each class of the training set before curation, and the input, by data section (as JSON)."""

    plan: Plan
    data: Mapping[str, tuple[NDArray[np.int64], InputSpec]]

    def samples_of(self, recipe: Recipe) -> int:
        """Training samples of a recipe of the study, before curation."""
        return int(self.data[recipe.data.model_dump_json()][0].sum())

    def sized(self, recipe: Recipe) -> Recipe:
        """A recipe of the study with numbers for its "auto" values, fixed: no arm is trained longer because it did not learn."""
        return budget.sized(recipe, *self.data[recipe.data.model_dump_json()], retries=False)


def prepared(study: Study) -> Prepared:
    """The plan of all runs, and how many samples each trains on; everything is checked.

    Raises:
        RecipeError: an arm's recipe or budget is invalid, or it does not produce a file that is to be judged.
        DataError: the data are invalid, or arms would be tested on different samples.
    """
    planned = plan(study, _groups(study))
    # All RNG seeds have the same splits; a control has the data of its arm.
    runs = [run for run in planned.runs if run.seed == study.seeds[0] and not run.after]
    recipes = [(run, recipe_of(study, run)) for run in runs]
    for run, recipe in recipes:
        _check_files(study, run.arm.name, recipe)
    known: dict[str, tuple[NDArray[np.int64], InputSpec]] = {}
    tested: dict[str | None, tuple[str, _Tested]] = {}
    dataset: Dataset | None = None
    loaded = ""
    for run, recipe in recipes:
        section = recipe.data.model_dump_json()
        if dataset is None or section != loaded:
            dataset, loaded = data.load_section(recipe.data, recipe.seed), section
            known[section] = dataset.class_counts, dataset.input
            own = _Tested(classes=dataset.classes, ids=dataset.test.ids, labels=dataset.test.y)
            first, reference = tested.setdefault(run.group, (run.arm.name, own))
            if differ := _differ(reference, own):
                raise DataError(
                    f"Study arm {run.arm.name!r} has different {differ} than {first!r}, so the two cannot be compared. Use "
                    "data.spec, data.seed and parts of the base in all arms; limit and noise may differ."
                )
        try:
            curating.check(recipe, dataset)
        except EdgekitError as error:
            raise type(error)(f"Study arm {run.arm.name!r}: {error}") from None
    return Prepared(plan=planned, data=known)


def files_of(recipe: Recipe) -> tuple[str, ...]:
    """The names of the .tflite files that a build of `recipe` produces."""
    precision = recipe.quantization.precision
    # All rungs of the ladder are ways to int8.
    names = ("float32", "int8" if precision == "auto" else precision)
    return tuple(dict.fromkeys(f"{stem(name)}.tflite" for name in names))


def _check_files(study: Study, arm: str, recipe: Recipe) -> None:
    if recipe.data.cv is not None:
        raise RecipeError(f"Study arm {arm!r}: a study compares files on a test part, and data.cv has none; remove it.")
    files = files_of(recipe)
    if missing := next((name for name in study.artifact if name not in (SHIPPED, *files)), None):
        raise RecipeError(
            f"Study artifact: {arm!r} produces no file {missing!r} to judge; it produces {', '.join(files)}, and "
            f"{SHIPPED!r} is the one of its precision."
        )


def _groups(study: Study) -> Sequence[str]:
    """The groups to leave out in turn."""
    if not study.leave_out:
        return ()
    if study.leave_out != "all":
        return study.leave_out
    whole = data.load_section(recipe_of(study, plan(study).runs[0]).data, 0)
    known = {group for split in (whole.train, whole.val, whole.cal, whole.test) for group in _named(split.group)}
    if len(known) < 2:
        raise DataError(f"{whole.name} has {len(known)} groups; leaving one out in turn needs at least 2.")
    return sorted(known)


def _named(column: Any) -> list[str]:
    return [] if column is None else [str(group) for group in column]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tested:
    classes: tuple[str, ...]
    ids: NDArray[np.str_]
    labels: NDArray[np.int64]


def _differ(one: _Tested, other: _Tested) -> str:
    """How the test data of two arms differ."""
    if one.classes != other.classes:
        return "classes"
    if not np.array_equal(one.ids, other.ids):
        return f"test samples ({len(other.ids):,}, not the same {len(one.ids):,})"
    return "" if np.array_equal(one.labels, other.labels) else "labels of the test samples"
