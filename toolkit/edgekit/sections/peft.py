"""Parameter-efficient fine-tuning: what is trained of a student whose trunk stays as it is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from edgekit.sections.base import Section

Method = Literal["none", "ssf", "lora", "adapter", "bitfit", "layernorm"]


class PeftSection(Section):
    """Adapt a trained backbone (student.backbone or student.weights) by a few parameters; its head is always trained.

    method: ssf scales and shifts the output of each layer; lora adds a product of two thin matrices to each kernel; bitfit
    trains biases, layernorm the scales and shifts of normalization layers. All four are merged into the weights after the
    training, so the file is that of the plain student. adapter puts small networks in between, which stay in the file.
    rank and alpha: of lora, whose product counts alpha / rank times. bottleneck: units of an adapter.
    """

    method: Method = "none"
    rank: int = Field(8, ge=1, le=256)
    alpha: float = Field(16.0, gt=0)
    bottleneck: int = Field(16, ge=1, le=1024)

    @model_validator(mode="after")
    def _read(self) -> PeftSection:
        plain = PeftSection.model_fields
        for name, method in (("rank", "lora"), ("alpha", "lora"), ("bottleneck", "adapter")):
            if getattr(self, name) != plain[name].default and self.method != method:
                raise ValueError(f"{name} is read only with method {method}; leave it out")
        return self

    @property
    def merges(self) -> bool:
        """Whether the trained parameters disappear into the student's own weights."""
        return self.method not in ("none", "adapter")
