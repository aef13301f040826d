"""What can be refused before the first run: recipes, budgets, judged files, and data that cannot be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import curating, data
from edgekit.errors import DataError, EdgekitError, RecipeError
from edgekit.export.write import stem
from edgekit.recipe import Recipe
from edgekit.study.definition import Study
from edgekit.study.plan import Plan, plan, recipe_of
from edgekit.study.results import SHIPPED
from edgekit.training import budget
from edgekit.types import Dataset, InputSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """data: (K,) samples of each class of the training set before curation and what they are, by data section (as JSON)."""

    plan: Plan
    data: Mapping[str, tuple[NDArray[np.int64], InputSpec]]

    def samples_of(self, recipe: Recipe) -> int:
        """Training samples of a recipe of the study, before curation."""
        return int(self.data[recipe.data.model_dump_json()][0].sum())

    def sized(self, recipe: Recipe) -> Recipe:
        """A recipe of the study with numbers for its "auto", which hold: no arm is trained longer for not having learned."""
        return budget.sized(recipe, *self.data[recipe.data.model_dump_json()], retries=False)


def prepared(study: Study) -> Prepared:
    """The plan of all runs, and how many samples each trains on; everything is checked.

    Raises:
        RecipeError: an arm's recipe or budget is not usable, or it makes no file that is to be judged.
        DataError: the data are not usable, or arms would be tested on different samples.
    """
    planned = plan(study, _groups(study))
    # All RNG seeds have the same splits; a control has the data of its arm.
    runs = [run for run in planned.runs if run.seed == study.seeds[0] and not run.after]
    asked = [(run, recipe_of(study, run)) for run in runs]
    for run, recipe in asked:
        _check_files(study, run.arm.name, recipe)
    known: dict[str, tuple[NDArray[np.int64], InputSpec]] = {}
    tested: dict[str | None, tuple[str, _Tested]] = {}
    dataset: Dataset | None = None
    loaded = ""
    for run, recipe in asked:
        section = recipe.data.model_dump_json()
        if dataset is None or section != loaded:
            dataset, loaded = data.load_section(recipe.data, recipe.seed), section
            known[section] = dataset.class_counts, dataset.input
            own = _Tested(classes=dataset.classes, ids=dataset.test.ids, labels=dataset.test.y)
            first, reference = tested.setdefault(run.group, (run.arm.name, own))
            if differ := _differ(reference, own):
                raise DataError(
                    f"Study arm {run.arm.name!r} has other {differ} than {first!r}, so that the two cannot be compared. Let all "
                    "arms have the data.spec, data.seed and parts of the base; limit and noise may differ."
                )
        try:
            curating.check(recipe, dataset)
        except EdgekitError as error:
            raise type(error)(f"Study arm {run.arm.name!r}: {error}") from None
    return Prepared(plan=planned, data=known)


def files_of(recipe: Recipe) -> tuple[str, ...]:
    """The names of the .tflite files that a build of `recipe` makes."""
    precision = recipe.quantization.precision
    # The ladder's rungs are all ways to int8.
    names = ("float32", "int8" if precision == "auto" else precision)
    return tuple(dict.fromkeys(f"{stem(name)}.tflite" for name in names))


def _check_files(study: Study, arm: str, recipe: Recipe) -> None:
    if recipe.data.cv is not None:
        raise RecipeError(
            f"Study arm {arm!r}: a study compares files on a test part, and data.cv cuts none; leave it out."
        )
    made = files_of(recipe)
    if missing := next((name for name in study.artifact if name not in (SHIPPED, *made)), None):
        raise RecipeError(
            f"Study artifact: {arm!r} makes no file {missing!r} that can be judged; it makes {', '.join(made)}, and "
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
    """What two arms do not share of what they are tested on."""
    if one.classes != other.classes:
        return "classes"
    if not np.array_equal(one.ids, other.ids):
        return f"test samples ({len(other.ids):,}, not the same {len(one.ids):,})"
    return "" if np.array_equal(one.labels, other.labels) else "labels of the test samples"
