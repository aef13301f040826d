"""A recipe: everything that decides a build, checked before any work begins. YAML in, YAML out.

Sections are read by one stage each, which is what the stage cache keys on: changing `quantization` never retrains.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, field_validator, model_validator

from edgekit import registry
from edgekit.errors import RecipeError, UnknownName


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


def _known(table: str, name: str) -> str:
    registry.check(table, name)
    return name


class DataSection(_Section):
    """Where the samples come from. val_fraction of train is held out by class: half val, half cal."""

    spec: str = "fashion-mnist-mini"
    val_fraction: float = Field(0.1, gt=0, lt=0.9)


class TrainingSection(_Section):
    """One training run. `match` says what equals the uncurated run's: optimizer steps (default) or epochs."""

    epochs: int = Field(24, ge=1)
    batch_size: int = Field(128, ge=1)
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = Field(8e-3, gt=0)
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = Field(0.1, ge=0, lt=1)
    weight_decay: float = Field(0.02, ge=0)
    clip_norm: float | None = Field(1.0, gt=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    augment: Literal["auto", "none", "shift", "shift-flip"] = "auto"
    match: Literal["steps", "epochs"] = "steps"


class TeacherSection(TrainingSection):
    """The teacher whose loss curates: the IQR study's network, plain Adam, no augmentation."""

    name: str = "cnn32-64"
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=1)
    optimizer: Literal["adamw", "adam"] = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    schedule: Literal["cosine", "constant"] = "constant"
    warmup: float = Field(0.0, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float | None = Field(None, gt=0)
    augment: Literal["auto", "none", "shift", "shift-flip"] = "none"
    match: Literal["steps", "epochs"] = "epochs"

    _check_name = field_validator("name")(lambda name: _known("teachers", name))


class CurationSection(_Section):
    """Which samples to drop. budget: a count (>= 1) or share (< 1) to drop, for `random`; factor: the fences' 1.5."""

    method: str = "none"
    budget: float | None = Field(None, gt=0)
    factor: float = Field(1.5, gt=0)

    _check_method = field_validator("method")(lambda name: _known("curations", name))

    @model_validator(mode="after")
    def _budget_where_needed(self) -> CurationSection:
        if self.method == "random" and self.budget is None:
            raise ValueError(
                "'random' needs budget (--budget): how many samples to drop, as a count or a share below 1"
            )
        if self.method != "random" and self.budget is not None:
            raise ValueError(f"{self.method!r} finds its own number of samples to drop and takes no budget")
        return self


class StudentSection(_Section):
    """The network that ships."""

    name: str = "microresnet"

    _check_name = field_validator("name")(lambda name: _known("students", name))


class PruningSection(_Section):
    """Magnitude pruning: final sparsity of the kernels, reached over `epochs` of fine-tuning at `learning_rate`."""

    sparsity: float = Field(0.0, ge=0, lt=1)
    epochs: int = Field(4, ge=1)
    learning_rate: float = Field(1e-3, gt=0)


class QuantizationSection(_Section):
    """The precision of the shipped file. float32 is always exported beside it."""

    precision: str = "int8"
    io: Literal["int8", "uint8", "float32"] = "int8"
    calibration_samples: int = Field(300, ge=1)

    _check_precision = field_validator("precision")(lambda name: _known("precisions", name))

    @model_validator(mode="after")
    def _io_of_int8(self) -> QuantizationSection:
        if self.precision != "int8" and self.io != "int8":
            raise ValueError(f"io (--io) is for int8 files; a {self.precision} file has float32 input and output")
        return self


class BenchSection(_Section):
    """Where and how latency is measured. threads 0 = all cores."""

    targets: tuple[str, ...] = ("host",)
    threads: tuple[NonNegativeInt, ...] = (1, 0)
    runs: int = Field(100, ge=50)
    warmup: int = Field(10, ge=1)

    @field_validator("targets")
    @classmethod
    def _known_targets(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_known("targets", name) for name in dict.fromkeys(names))


class Recipe(_Section):
    """A whole build. `gates` are demands on the shipped file like "accuracy>=0.92"; max_drop in percentage points."""

    seed: int = Field(42, ge=0, lt=2**31)
    deterministic: bool = False
    backend: str = "tensorflow"
    control: bool = False
    data: DataSection = DataSection()
    teacher: TeacherSection = TeacherSection()
    curation: CurationSection = CurationSection()
    student: StudentSection = StudentSection()
    training: TrainingSection = TrainingSection()
    pruning: PruningSection = PruningSection()
    quantization: QuantizationSection = QuantizationSection()
    bench: BenchSection = BenchSection()
    gates: tuple[str, ...] = ()
    max_drop: float | None = Field(None, ge=0)

    _check_backend = field_validator("backend")(lambda name: _known("backends", name))

    @model_validator(mode="after")
    def _control_has_something_to_control(self) -> Recipe:
        if self.control and self.curation.method in ("none", "random"):
            raise ValueError(f"control compares a curation with a random one; curation is {self.curation.method!r}")
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


def load(path: Path | None = None, settings: Iterable[str] = (), values: Mapping[str, Any] | None = None) -> Recipe:
    """Merge a recipe file, `a.b=c` settings and command-line values (dotted keys; None = not given), in that order.

    Raises:
        RecipeError: the file cannot be read, or a key or value is not usable.
    """
    merged: dict[str, Any] = _read(path) if path else {}
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
    return from_mapping(merged)


def from_yaml(text: str) -> Recipe:
    """The recipe that `Recipe.to_yaml` wrote."""
    return from_mapping(yaml.safe_load(text))


def differences(one: Recipe, other: Recipe) -> list[str]:
    """The dotted keys in which two recipes differ."""
    left, right = dict(_flat(one.model_dump(mode="json"))), dict(_flat(other.model_dump(mode="json")))
    return [key for key in left if left[key] != right.get(key)]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise RecipeError(f"Cannot read the recipe {path}: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        raise RecipeError(f"{path} is not valid YAML{f' (line {where.line + 1})' if where else ''}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise RecipeError(f"{path} must hold sections like `training:`, found a {type(content).__name__}.")
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


__all__ = ["Recipe", "RecipeError", "UnknownName", "differences", "from_mapping", "from_yaml", "load"]
