"""A recipe: everything that decides a build, checked before any work begins. YAML in, YAML out.

Sections are read by one stage each, which is what the stage cache keys on: changing `quantization` never retrains.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from edgekit import registry
from edgekit.errors import RecipeError, UnknownName
from edgekit.sections import (
    BenchSection,
    CurationSection,
    DataSection,
    DistillationSection,
    NoiseSection,
    OperatingSection,
    PeftSection,
    PruningSection,
    QuantizationSection,
    Section,
    StudentSection,
    TeacherSection,
    TrainingSection,
    known,
)

LEFT_OUT = "{leave_out}"
# Curation methods whose teacher is the IQR study's; the others take the fast one.
_STUDYS_TEACHER = ("none", "random", "iqr")
_READ_BY_HEADS = ("epochs", "seed")


class Recipe(Section):
    """A whole build.

    seed: the RNG seed of splits, training and draws. deterministic: the same weights every time, which is slower. backend: what
    trains. control: also train on as many samples dropped at random, and compare. gates: demands on the shipped file, such as
    "accuracy>=0.92", judged on validation. accept_chance: a file that is no better on validation than the largest class alone is
    no error. max_drop: the most accuracy that quantization may cost, in percentage points.
    """

    seed: int = Field(42, ge=0, lt=2**31)
    deterministic: bool = False
    backend: str = "tensorflow"
    control: bool = False
    data: DataSection = DataSection()
    teacher: TeacherSection = TeacherSection()
    curation: CurationSection = CurationSection()
    student: StudentSection = StudentSection()
    training: TrainingSection = TrainingSection()
    distillation: DistillationSection = DistillationSection()
    peft: PeftSection = PeftSection()
    pruning: PruningSection = PruningSection()
    quantization: QuantizationSection = QuantizationSection()
    bench: BenchSection = BenchSection()
    operating: OperatingSection = OperatingSection()
    gates: tuple[str, ...] = ()
    accept_chance: bool = False
    max_drop: float | None = Field(None, ge=0)

    _check_backend = field_validator("backend")(lambda name: known("backends", name))

    @model_validator(mode="before")
    @classmethod
    def _teacher_of_the_method(cls, values: Any) -> Any:
        """Methods that train several networks take the fast one; iqr the study's teacher."""
        if not isinstance(values, dict):
            return values
        curation, teacher = values.get("curation"), values.get("teacher")
        if not isinstance(curation, dict) or not isinstance(teacher or {}, dict) or "name" in (teacher or {}):
            return values
        method = curation.get("method", "none")
        if method in _STUDYS_TEACHER or method not in registry.CURATIONS:
            return values
        return {**values, "teacher": {**(teacher or {}), "name": "microresnet"}}

    @model_validator(mode="before")
    @classmethod
    def _backbone_of_the_fold(cls, values: Any) -> Any:
        """ "{leave_out}" in student.backbone is the group left out: each fold has a backbone that never met its test group."""
        student, section = (
            (values.get(name) for name in ("student", "data")) if isinstance(values, dict) else (None, None)
        )
        if not isinstance(student, dict) or not isinstance(section, dict):
            return values
        path, group = student.get("backbone"), section.get("leave_out")
        if not isinstance(path, str) or not isinstance(group, str):
            return values
        return {**values, "student": {**student, "backbone": path.replace(LEFT_OUT, group)}}

    @model_validator(mode="after")
    def _control_has_something_to_control(self) -> Recipe:
        by_hand = self.curation.method == "none" and self.curation.apply
        if self.control and self.curation.method in ("none", "random") and not by_hand:
            raise ValueError(f"control compares a curation with a random one; curation is {self.curation.method!r}")
        return self

    @model_validator(mode="after")
    def _folds_stand_alone(self) -> Recipe:
        if self.data.cv is not None and self.control and self.data.fold is None:
            raise ValueError(
                "control compares two files on the test part, and data.cv (--cv) cuts none; give one of them"
            )
        if self.data.cv is not None and self.curation.apply:
            raise ValueError(
                "curation.apply holds edits by hand, made with every sample in sight, so that no fold would be tested unseen: "
                "leave out data.cv (--cv) or the edits"
            )
        return self

    @model_validator(mode="after")
    def _peft_has_something_to_adapt(self) -> Recipe:
        if self.peft.method != "none" and self.student.head_first != "auto":
            raise ValueError(f"student.head_first is not read with peft {self.peft.method!r}; leave it out")
        if self.peft.method != "none" and not self.student.start:
            raise ValueError(
                f"peft {self.peft.method!r} adapts a trained network: name its file in student.backbone. A frozen backbone of "
                "random weights would have learned nothing"
            )
        return self

    @model_validator(mode="after")
    def _teacher_is_read(self) -> Recipe:
        """Heads on a frozen backbone stand in a teacher's place, and read little of its section."""
        if self.distillation.alpha or not self.student.frozen or not set(self.curation.needs) - {"digests"}:
            return self
        plain = TeacherSection() if self.curation.method in _STUDYS_TEACHER else TeacherSection(name="microresnet")
        changed = [name for name in TeacherSection.model_fields if getattr(self.teacher, name) != getattr(plain, name)]
        if unread := [f"teacher.{name}" for name in changed if name not in _READ_BY_HEADS]:
            raise ValueError(
                f"{', '.join(unread)}: not read with student.frozen, where heads on the backbone's embeddings stand in the "
                "teacher's place (they read teacher.epochs and teacher.seed); leave it out"
            )
        return self

    def to_yaml(self) -> str:
        """The complete recipe; `from_yaml` of it is equal to this one."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


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
    return [key for key in left if left[key] != right.get(key)]


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
    found = (
        ""
        if problem["type"] == "value_error" or isinstance(problem["input"], dict)
        else f" (found {problem['input']!r})"
    )
    return f"Recipe {where + ': ' if where else ''}{message}{found}."


__all__ = [
    "BenchSection",
    "CurationSection",
    "DataSection",
    "DistillationSection",
    "NoiseSection",
    "OperatingSection",
    "PeftSection",
    "PruningSection",
    "QuantizationSection",
    "Recipe",
    "RecipeError",
    "StudentSection",
    "TeacherSection",
    "TrainingSection",
    "UnknownName",
    "differences",
    "from_mapping",
    "from_yaml",
    "load",
    "section_of",
]
