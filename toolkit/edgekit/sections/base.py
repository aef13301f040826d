"""What every section of a recipe is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from edgekit import registry


class Section(BaseModel):
    """Unknown keys are refused, values are checked and cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


def known(table: str, name: str) -> str:
    """`name`, if `table` of the registry has it."""
    registry.check(table, name)
    return name
