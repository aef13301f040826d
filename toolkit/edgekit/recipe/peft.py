"""Parameter-efficient fine-tuning: what is trained of a student whose trunk stays as it is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from edgekit.recipe.base import Section

Method = Literal["none", "ssf", "lora", "adapter", "bitfit", "layernorm"]


class PeftSection(Section):
    """Parameter-efficient fine-tuning of a trained backbone (student.backbone or student.weights). The head is always
    trained.
    """

    method: Method = "none"
    """What to train: ssf scales and shifts the output of each layer, lora adds a low-rank product to each kernel,
    bitfit trains biases, layernorm the scales and shifts of normalization layers, adapter small networks in between.
    All but adapter are merged into the weights after training, so the file is that of the plain student.
    """
    rank: int = Field(8, ge=1, le=256)
    """Rank of lora's product."""
    alpha: float = Field(16.0, gt=0)
    """Scale of lora's product, which is multiplied by alpha / rank."""
    bottleneck: int = Field(16, ge=1, le=1024)
    """Number of units in an adapter."""

    @model_validator(mode="after")
    def _read(self) -> PeftSection:
        plain = PeftSection.model_fields
        for name, method in (("rank", "lora"), ("alpha", "lora"), ("bottleneck", "adapter")):
            if getattr(self, name) != plain[name].default and self.method != method:
                raise ValueError(f"{name} is only used with method {method}; leave it out")
        return self

    @property
    def merges(self) -> bool:
        """Whether the trained parameters disappear into the student's own weights."""
        return self.method not in ("none", "adapter")
