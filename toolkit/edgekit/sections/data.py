"""Where the samples come from, and where files are measured."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, field_validator

from edgekit.sections.base import Section, known

# A larger picture is no input of an edge classifier, and would take gigabytes to decode.
Side = Annotated[int, Field(ge=1, le=4096)]


class DataSection(Section):
    """Where the samples come from. val_fraction of train is held out: half val, half cal.

    test_fraction: what becomes test where the source has no test part. image_size: N or HxW, to resize all images to.
    skip_bad: leave unreadable files out. leave_out: the group that becomes the test part, all others are trained on.
    split_by: parts keep the shares of the classes ("class"), or every group on one side ("group"). seed: of the splits, if not
    the recipe's, so that students of several RNG seeds have the same validation samples.
    """

    spec: str = "fashion-mnist-mini"
    val_fraction: float = Field(0.1, gt=0, lt=0.9)
    test_fraction: float = Field(0.2, gt=0, lt=0.9)
    image_size: tuple[Side, Side] | None = None
    skip_bad: bool = False
    leave_out: str | None = None
    split_by: Literal["class", "group"] = "class"
    seed: int | None = Field(None, ge=0, lt=2**31)

    @field_validator("image_size", mode="before")
    @classmethod
    def _height_and_width(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return (value, value)
        if isinstance(value, str):
            sides = value.lower().split("x")
            if not all(side.strip().isdigit() for side in sides) or len(sides) > 2:
                raise ValueError(f"expected a side or HxW, such as 96 or 96x128; found {value!r}")
            return tuple(int(side) for side in (sides * 2)[:2])
        return value


class BenchSection(Section):
    """Where and how latency is measured. threads 0 = all cores."""

    targets: tuple[str, ...] = ("host",)
    threads: tuple[NonNegativeInt, ...] = (1, 0)
    runs: int = Field(100, ge=50)
    warmup: int = Field(10, ge=1)

    @field_validator("targets")
    @classmethod
    def _known_targets(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(known("targets", name) for name in dict.fromkeys(names))
