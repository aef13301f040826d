"""A study file: a base recipe, the arms as changes to it, RNG seeds, and how to compare them. Unknown keys are refused."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, NonNegativeInt, ValidationError, field_validator, model_validator

from edgekit import recipe
from edgekit.errors import RecipeError
from edgekit.evidence.weighted import METRICS
from edgekit.recipe import Section

FULL = "full"
_ArmName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.+]*(-[a-z0-9_.+]+)*$", max_length=40)]
_CONTROL_PREFIXES = ("random-of-", "matched-of-", "full-of-", "flops-of-")


class Study(Section):
    """What is compared with what."""

    base: Mapping[str, Any] = {}
    """Base recipe, as a mapping or as the path of a recipe file."""
    arms: Mapping[_ArmName, Mapping[str, Any]] = Field(min_length=1)
    """Arms of the study: names, each with its changes to the base recipe."""
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1)
    """RNG seeds of the students: a list, or their number."""
    match: Literal["steps", "flops", "epochs"] = "steps"
    """What is equal in all arms: optimizer steps, training FLOPs or epochs."""
    controls: bool = True
    """Add controls: all data, random removal of as many samples, and the same for each class."""
    compare: tuple[tuple[str, str], ...] = ()
    """Further pairs (arm, other) to compare."""
    metrics: tuple[str, ...] = Field(("accuracy", "augrc"), min_length=1)
    """Metrics to judge the arms by."""
    artifact: tuple[str, ...] = ("shipped", "model_float32.tflite")
    """Files to judge."""
    same_total_flops: bool = False
    """Also train on all data with the FLOPs of training and curation together."""
    max_hours: float | None = Field(None, gt=0)
    """Start no further run after this many hours."""
    leave_out: tuple[str, ...] | Literal["all"] = ()
    """Groups to use as the test set in turn, such as speakers or sites; all for every group."""
    worthwhile: Mapping[str, Annotated[float, Field(gt=0)]] = {"accuracy": 0.005}
    """Smallest effect worth detecting, for each metric, used to plan the next study."""

    @field_validator("seeds", mode="before")
    @classmethod
    def _count(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 1:
                raise ValueError(f"expected at least 1 RNG seed, found {value}")
            return tuple(range(1, value + 1))
        if not isinstance(value, (list, tuple)):
            raise ValueError(
                f"expected the number of RNG seeds or a list of them, e.g. 10 or [3, 4, 5]; found {value!r}"
            )
        return value

    @field_validator("artifact", "leave_out", mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) and value != "all" else value

    @model_validator(mode="after")
    def _goes_together(self) -> Study:
        for name in (*self.metrics, *self.worthwhile):
            if name not in METRICS:
                close = difflib.get_close_matches(name, METRICS, n=1)
                raise ValueError(f"no metric {name!r}" + (f", did you mean {close[0]!r}?" if close else ""))
        for what, names in (("seeds", self.seeds), ("metrics", self.metrics), ("artifact", self.artifact)):
            if len(set(names)) < len(names):
                raise ValueError(f"{what} has a duplicate: {', '.join(map(str, names))}")
        for name in self.arms:
            if name == FULL or name.startswith(_CONTROL_PREFIXES):
                raise ValueError(
                    f"arm {name!r} has the name of a control, which a study adds by itself; choose another"
                )
            if "seed" in self.arms[name]:
                raise ValueError(f"arm {name!r} sets seed; all arms have the same RNG seeds, those of `seeds`")
        if not self.artifact:
            raise ValueError("artifact is empty; name at least one file to judge, e.g. shipped")
        seen: set[frozenset[str]] = set()
        for pair in self.compare:
            if missing := [name for name in pair if name not in self.arms and name != FULL]:
                raise ValueError(
                    f"compare names {missing[0]!r}, which is not an arm; the arms are {', '.join(self.arms)}"
                )
            if pair[0] == pair[1]:
                raise ValueError(f"compare has {pair[0]!r} against itself; expected two different arms")
            if frozenset(pair) in seen:
                raise ValueError(f"compare has {pair[0]!r} and {pair[1]!r} twice; either order is the same comparison")
            seen.add(frozenset(pair))
        if FULL in {name for pair in self.compare for name in pair} and not self.controls:
            raise ValueError("compare names 'full', which only a study with controls has")
        if not self.controls and not self.compare:
            raise ValueError("without controls there is nothing to compare with; list pairs of arms in compare")
        return self

    def to_yaml(self) -> str:
        """The complete study; `load` of it is equal to this one."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load(path: Path, values: Mapping[str, Any] | None = None) -> Study:
    """Read a study file; `values` override it (None = not given). Paths in it are relative to the file.

    Raises:
        RecipeError: it cannot be read, or a key or value is invalid.
    """
    merged = recipe.read_yaml(path, "study", "keys like `arms:`")
    base = merged.get("base", {})
    if isinstance(base, str):
        base_file = path.parent / base
        recipe.load(base_file)  # for its errors, which name the file's keys
        base = _anchored(recipe.read_yaml(base_file, "recipe", "sections"), base_file.parent)
    elif isinstance(base, Mapping):
        base = _anchored(base, path.parent)
    arms = merged.get("arms")
    if isinstance(arms, Mapping):
        arms = {str(k): _anchored(v or {}, path.parent) if isinstance(v or {}, Mapping) else v for k, v in arms.items()}
    merged |= {"base": base, "arms": arms}
    merged |= {name: value for name, value in (values or {}).items() if value is not None}
    try:
        return Study.model_validate(merged)
    except ValidationError as error:
        raise RecipeError("; ".join(_explain(problem) for problem in error.errors(include_url=False))) from None


def continued(values: Mapping[str, Any], begun: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a command that continues a study: options not given (None) keep their first values, except for the hours."""
    return {key: begun.get(key) if value is None and key != "max_hours" else value for key, value in values.items()}


def merged_values(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes`, section by section; a key may be dotted ("curation.method")."""
    merged = copy.deepcopy(dict(base))
    for key, value in changes.items():
        section, dot, rest = str(key).partition(".")
        if dot:
            value = {rest: value}
        if isinstance(value, Mapping) and isinstance(merged.get(section) or {}, dict):
            merged[section] = merged_values(merged.get(section) or {}, value)
        else:
            merged[section] = copy.deepcopy(value)
    return merged


# Never the name of anything else, so a file that does not exist yet is recognized too.
_OWN_FILES = (("curation", "apply"), ("student", "weights"), ("student", "backbone"))


def _anchored(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Make the paths of files absolute: the same from any folder, and in any process of the study."""
    anchored = merged_values({}, values)
    for section, key in (
        ("data", "spec"),
        ("curation", "apply"),
        ("student", "weights"),
        ("student", "backbone"),
        ("quantization", "calibration"),
    ):
        inner = anchored.get(section)
        text = inner.get(key) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and isinstance(text, str) and text:
            file = (folder / Path(text).expanduser()).resolve()
            if file.exists() or (section, key) in _OWN_FILES:
                inner[key] = str(file)
    return anchored


def _explain(problem: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(where, Study.model_fields, n=1, cutoff=0.6)
        return f"Unknown study key {where!r}." + (f" Did you mean {close[0]!r}?" if close else "")
    message = str(problem["msg"]).removeprefix("Value error, ")
    shown = problem["type"] not in ("value_error", "missing") and not isinstance(problem["input"], dict)
    return f"Study {where + ': ' if where else ''}{message}" + (f" (found {problem['input']!r})." if shown else ".")
