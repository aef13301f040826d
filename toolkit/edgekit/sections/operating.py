"""At which confidence an answer is taken without asking anybody."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, model_validator

from edgekit.sections.base import Section

_COVERAGE = 0.9


class OperatingSection(Section):
    """What the operating threshold of each file is chosen for, on the calibration split; it is told, never demanded.

    coverage: the share of answers to accept. risk: the largest share of errors among the accepted. One of the two; with
    neither, the coverage is 0.9.
    """

    coverage: float | None = Field(None, gt=0, le=1)
    risk: float | None = Field(None, ge=0, lt=1)

    @model_validator(mode="after")
    def _one(self) -> OperatingSection:
        if self.coverage is not None and self.risk is not None:
            raise ValueError("a threshold is chosen for a coverage or for a risk; give one of the two")
        return self

    @property
    def wanted(self) -> Mapping[str, float]:
        """{"coverage": 0.9} or {"risk": 0.02}."""
        if self.risk is not None:
            return {"risk": self.risk}
        return {"coverage": _COVERAGE if self.coverage is None else self.coverage}
