"""What every section of a recipe is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from edgekit import registry

# A whole number that the data decide; "auto" in a recipe, also where it is the default.
AUTO = 0
BY_DATA: Any = "auto"


def _given(value: Any) -> Any:
    if value == "auto":
        return AUTO
    if isinstance(value, str) or value == AUTO:
        raise ValueError(f"expected auto, or a whole number from 1; found {value!r}")
    return value


# `AUTO` until `training.budget.sized` has seen the data, then a number from 1.
Sized = Annotated[
    int,
    Field(ge=0),
    BeforeValidator(_given),
    PlainSerializer(lambda value: value or "auto", return_type=int | str),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1}]}),
]


@dataclass(frozen=True, slots=True)
class Names:
    """Marks a key that holds a name of a table of the registry. also: further names; members: only those of a consensus."""

    table: str
    also: tuple[str, ...] = ()
    members: bool = False

    @property
    def known(self) -> tuple[str, ...]:
        entries = registry.TABLES[self.table][1]
        return (*self.also, *(name for name, entry in entries.items() if entry.member or not self.members))


class Section(BaseModel):
    """Unknown keys are refused, values are checked and cannot be changed. A docstring below a field is its description."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def known(table: str, name: str) -> str:
    """`name`, if `table` of the registry has it."""
    registry.check(table, name)
    return name
