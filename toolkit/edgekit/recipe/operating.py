"""At which confidence an answer is taken without asking anybody."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, model_validator

from edgekit.recipe.base import Section

_COVERAGE = 0.9


class OperatingSection(Section):
    """The confidence threshold above which a prediction is accepted, chosen for each file on the calibration samples.
    It is reported, but never a gate.
    """

    coverage: float | None = Field(None, gt=0, le=1)
    """Choose the confidence threshold that accepts this share of the predictions. By default 0.9, unless a risk is
    given.
    """
    risk: float | None = Field(None, ge=0, lt=1)
    """Choose the confidence threshold that keeps the error rate of the accepted predictions at or below this share."""

    @model_validator(mode="after")
    def _one(self) -> OperatingSection:
        if self.coverage is not None and self.risk is not None:
            raise ValueError("the threshold is chosen for a coverage or for a risk; give one of the two")
        return self

    @property
    def wanted(self) -> Mapping[str, float]:
        """{"coverage": 0.9} or {"risk": 0.02}."""
        if self.risk is not None:
            return {"risk": self.risk}
        return {"coverage": _COVERAGE if self.coverage is None else self.coverage}
