"""Recipes out of YAML files, settings and values, and the differences of two."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from edgekit import registry
from edgekit.errors import RecipeError
from edgekit.recipe.base import Section
from edgekit.recipe.curation import CurationSection
from edgekit.recipe.data import BenchSection, DataSection
from edgekit.recipe.recipe import Recipe


def from_mapping(values: Mapping[str, Any]) -> Recipe:
    """Check `values` and fill in the defaults.

    Raises:
        UnknownName: a method, student, target, ... that is in no table.
        RecipeError: an unknown key (with the closest one) or a value out of range.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError("; ".join(_explain(problem) for problem in error.errors(include_url=False))) from None


def section_of(values: Mapping[str, Any]) -> CurationSection:
    """A curation section alone; raises as `from_mapping` does."""
    return from_mapping({"curation": dict(values)}).curation


def data_of(**values: Any) -> DataSection:
    """A data section alone; raises as `from_mapping` does."""
    return from_mapping({"data": values}).data


def bench_of(**values: Any) -> BenchSection:
    """A bench section alone; raises as `from_mapping` does."""
    return from_mapping({"bench": values}).bench


def load(path: Path | None = None, settings: Iterable[str] = (), values: Mapping[str, Any] | None = None) -> Recipe:
    """Merge a recipe file, `a.b=c` settings and command-line values (dotted keys; None = not given), in that order.

    Raises:
        RecipeError: the file cannot be read, or a key or value is not usable.
    """
    merged: dict[str, Any] = read_yaml(path, "recipe", "sections like `training:`") if path else {}
    _drop_empty(merged, Recipe)
    _anchor(merged, path.parent if path else Path())
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise RecipeError(
                f"--set {setting!r} is not of the form section.key=value, for example training.epochs=20."
            )
        try:
            _put(merged, key, yaml.safe_load(text))
        except yaml.YAMLError:
            raise RecipeError(f"--set {setting!r}: {text!r} is not a YAML value.") from None
    for key, value in (values or {}).items():
        if value is not None:
            _put(merged, key, value)
    _anchor(merged, Path())
    return from_mapping(merged)


def _drop_empty(merged: dict[str, Any], model: type[Section]) -> None:
    """Take sections without a key for sections of defaults: a file of `edgekit init` has every key commented out."""
    for name, field in model.model_fields.items():
        section = field.annotation
        if name not in merged or not (isinstance(section, type) and issubclass(section, Section)):
            continue
        if isinstance(merged[name], dict):
            _drop_empty(merged[name], section)
        elif merged[name] is None:
            del merged[name]


def _anchor(merged: Mapping[str, Any], folder: Path) -> None:
    """Make the paths of files that a recipe names absolute: relative to the recipe file, or to the current folder."""
    for section, key in (("curation", "apply"), ("student", "weights"), ("student", "backbone"), ("bench", "runner")):
        values = merged.get(section)
        named = key == "weights" and isinstance(values, dict) and values.get(key) in registry.PUBLIC_WEIGHTS
        if isinstance(values, dict) and isinstance(values.get(key), str) and not named:
            values[key] = _absolute(values[key], folder)
    bench = merged.get("bench")
    if isinstance(bench, dict) and isinstance(bench.get("libraries"), (list, tuple)):
        bench["libraries"] = [_absolute(str(name), folder) for name in bench["libraries"]]


def _absolute(path: str, folder: Path) -> str:
    return str((folder / Path(path).expanduser()).resolve())


def from_yaml(text: str) -> Recipe:
    """The recipe that `Recipe.to_yaml` wrote."""
    return from_mapping(yaml.safe_load(text))


def differences(one: Recipe, other: Recipe) -> list[str]:
    """The dotted keys in which two recipes differ."""
    left, right = dict(_flat(one.model_dump(mode="json"))), dict(_flat(other.model_dump(mode="json")))
    return [key for key in {**left, **right} if left.get(key) != right.get(key)]


def read_yaml(path: Path, what: str, holds: str) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty one.

    Args:
        what, holds: the kind of file, and what it should hold, as the errors name them.

    Raises:
        RecipeError: the file cannot be read, or is something else.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise RecipeError(f"Cannot read the {what} {path}: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        raise RecipeError(f"{path} is not valid YAML{f' (line {where.line + 1})' if where else ''}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise RecipeError(f"{path} must hold {holds}, found a {type(content).__name__}.")
    return content


def _put(target: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, last = dotted.split(".")
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            raise RecipeError(f"Recipe key {section!r} must be a section, found {target!r}.")
    target[last] = value


def _flat(value: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield prefix, value
        return
    for key, inner in value.items():
        yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))


def _explain(problem: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = [key for key, _ in _flat(Recipe().model_dump(mode="json"))] + list(Recipe.model_fields)
        close = difflib.get_close_matches(where, known, n=1, cutoff=0.6)
        return f"Unknown recipe key {where!r}." + (f" Did you mean {close[0]!r}?" if close else "")
    message = str(problem["msg"]).removeprefix("Value error, ")
    value_text = (
        ""
        if problem["type"] == "value_error" or isinstance(problem["input"], dict)
        else f" (found {problem['input']!r})"
    )
    return f"Recipe {where + ': ' if where else ''}{message}{value_text}."
