"""The runs of a study: which recipe each arm has for each RNG seed, and which runs a control has to wait for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgekit import recipe as recipes
from edgekit.errors import EdgekitError, RecipeError
from edgekit.recipe import Recipe
from edgekit.runs.files import canonical_json
from edgekit.study.definition import FULL, Study, merged_values

Kind = Literal["arm", "full", "full-of", "random", "matched", "flops"]
_WAITING: tuple[Kind, ...] = ("random", "matched", "flops")
_PREFIX: Mapping[Kind, str] = {
    "full-of": "full-of",
    "random": "random-of",
    "matched": "matched-of",
    "flops": "flops-of",
}
WHAT: Mapping[Kind, str] = {
    "arm": "as the study file says",
    "full": "all data",
    "full-of": "all data, all else as the arm",
    "random": "as many samples as the arm drops, dropped at random, another draw for each seed",
    "matched": "as many of each class as the arm drops, dropped at random, another draw for each seed",
    "flops": "all data, trained with the FLOPs of the arm's training and curation together",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A row of the study. of: the arm that it is a control for (None for arms, and for all data)."""

    name: str
    kind: Kind
    of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One arm with one RNG seed, and with one group left out. after: the run that decides its recipe, or None."""

    arm: Arm
    seed: int
    group: str | None = None

    @property
    def name(self) -> str:
        """Name of its folder."""
        return _run_name(self.arm.name, self.seed, self.group)

    @property
    def after(self) -> str | None:
        if self.arm.kind not in _WAITING or self.arm.of is None:
            return None
        return _run_name(self.arm.of, self.seed, self.group)


def _run_name(arm: str, seed: int, group: str | None) -> str:
    if group is None:
        return f"{arm}-{seed}"
    # A group may be any text; what makes it unique is its digest.
    plain = re.sub("[^a-z0-9]+", "-", group.lower()).strip("-")[:20]
    return f"{arm}-{seed}-{plain}-{hashlib.sha256(group.encode()).hexdigest()[:6]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """arms: arms and their controls. comparisons: (arm, control) to judge. runs: in the order to start them."""

    study: Study
    arms: tuple[Arm, ...]
    comparisons: tuple[tuple[str, str], ...]
    runs: tuple[Run, ...]


def plan(study: Study, groups: Sequence[str] = ()) -> Plan:
    """The runs of `study`, seed by seed, so that an interrupted study has whole pairs.

    Args:
        groups: to leave out in turn.

    Raises:
        RecipeError: an arm's recipe is invalid (the arm is named), or two arms are the same.
    """
    arms: list[Arm] = []
    compared: list[tuple[str, str]] = []
    if study.controls:
        arms.append(Arm(name=FULL, kind="full"))
    full = _static(study, FULL, "full", study.seeds[0])
    seen: dict[str, str] = {full.to_yaml(): FULL} if study.controls else {}
    for name in study.arms:
        own = _static(study, name, "arm", study.seeds[0])
        if twin := seen.get(own.to_yaml()):
            problem = (
                "is the same as the control 'full', which a study adds; remove it" if twin == FULL else f"is {twin!r}"
            )
            raise RecipeError(f"Study arm {name!r} {problem}.")
        seen[own.to_yaml()] = name
        added = _controls(study, name, own, full) if study.controls else []
        arms += [Arm(name=name, kind="arm"), *added]
        if study.controls:
            compared += [(name, FULL), *((name, control.name) for control in added)]
    # Either order is the same comparison, and counts once in the correction.
    known = {frozenset(pair) for pair in compared}
    compared += [pair for pair in study.compare if frozenset(pair) not in known]
    runs = [
        Run(arm=arm, seed=seed, group=group) for seed in study.seeds for group in (groups or (None,)) for arm in arms
    ]
    return Plan(study=study, arms=tuple(arms), comparisons=tuple(compared), runs=tuple(runs))


def _controls(study: Study, name: str, own: Recipe, full: Recipe) -> list[Arm]:
    """The controls that this arm needs beside `full`."""
    section = own.curation
    if section.method == "none" and not section.apply:
        return []
    kinds: list[Kind] = []
    if _uncurated(own) != _uncurated(full):
        kinds.append("full-of")
    if section.method != "random":
        kinds.append("random")
    kinds.append("matched")
    if study.same_total_flops:
        kinds.append("flops")
    return [Arm(name=f"{_PREFIX[kind]}-{name}", kind=kind, of=name) for kind in kinds]


def _uncurated(of: Recipe) -> dict[str, Any]:
    """What determines the student, apart from curation and (without distillation) curation's teacher."""
    values = of.model_dump(mode="json", exclude={"curation"})
    if not of.distillation.alpha:
        del values["teacher"]
    return values


def recipe_of(study: Study, run: Run) -> Recipe:
    """The recipe of a run that waits for no other."""
    return _static(study, run.arm.of or run.arm.name, run.arm.kind, run.seed, run.group)


def _static(study: Study, name: str, kind: Kind, seed: int, group: str | None = None) -> Recipe:
    values = study.base if kind == "full" else merged_values(study.base, study.arms[name])
    if kind in ("full", "full-of"):
        values = {**values, "curation": {"method": "none"}}
    if kind == "full-of":
        # The teacher as the method chose it: a distilled student of this control uses the same one.
        values = {**values, "teacher": _static(study, name, "arm", seed, group).teacher.model_dump(mode="json")}
    try:
        recipe = recipes.from_mapping(values)
        return recipes.from_mapping(merged_values(values, _pinned(study, recipe, seed, group)))
    except EdgekitError as error:
        raise RecipeError(f"Study arm {name!r}: {error}") from None


def _pinned(study: Study, recipe: Recipe, seed: int, group: str | None) -> dict[str, Any]:
    """What a study sets: the RNG seed, the same splits and teacher for all, the match, and nothing that only a product needs."""
    changed: dict[str, Any] = {
        "seed": seed,
        # The same result, bit for bit, on every engine.
        "deterministic": True,
        "control": False,
        "gates": [],
        "data": {"seed": recipe.seed if recipe.data.seed is None else recipe.data.seed},
        "teacher": {"seed": recipe.seed if recipe.teacher.seed is None else recipe.teacher.seed},
        "training": {"match": "epochs" if study.match == "epochs" else "steps"},
        "bench": {"targets": []},
    }
    if group is not None:
        changed["data"]["leave_out"] = group
    if recipe.quantization.precision != "auto":
        changed["max_drop"] = None
    if recipe.student.name != "auto":
        changed["student"] = {"max_size": None}
    return changed


def shared_stages(recipe: Recipe) -> frozenset[str]:
    """Names of the costly stages that runs share through the stage cache: only one run at a time may be the first with each."""
    needs = [need for need in recipe.curation.needs if need != "digests"]
    if recipe.distillation.alpha:
        needs.append("soft_labels")
    of = {"data": recipe.data.model_dump(mode="json"), "teacher": recipe.teacher.model_dump(mode="json")}
    folds = recipe.curation.folds
    return frozenset(canonical_json({**of, "need": n, "folds": folds if n == "folds" else None}) for n in needs)
