"""Where the samples come from, and where files are measured."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from edgekit import addresses
from edgekit.sections.audio import AudioSection
from edgekit.sections.base import Section

# A larger picture is no input of an edge classifier, and would take gigabytes to decode.
Side = Annotated[int, Field(ge=1, le=4096)]
# As scikit-learn's test_size has it.
Portion = Literal["auto"] | Annotated[float, Field(gt=0, lt=0.9)] | Annotated[int, Field(ge=1)]


class NoiseSection(Section):
    """Wrong labels put into the training samples on purpose, to study curation; val, cal and test stay as they are.

    kind: symmetric = another class, all alike; pair = the other class of its pair. rate: the probability that a label (of the
    pairs' classes) is changed. pairs: of class names; without any, each class goes over to the next one. seed: of the draw, if
    not that of the splits.
    """

    kind: Literal["symmetric", "pair"]
    rate: float = Field(gt=0, lt=1)
    pairs: tuple[tuple[str, str], ...] = ()
    seed: int | None = Field(None, ge=0, lt=2**31)

    @model_validator(mode="after")
    def _read(self) -> NoiseSection:
        if self.pairs and self.kind != "pair":
            raise ValueError("pairs are read only with kind pair; leave them out")
        return self


class DataSection(Section):
    """Where the samples come from.

    spec: a named data set, a folder of images or clips by class, a CSV, IDX folder or .npz, hf:NAME or tfds:NAME. val_fraction:
    what is held out of train, half as val and half as cal: a share below 0.9, a number of samples, or "auto", which follows the
    size of the set; a run's recipe.yaml has the number.

    cv: K folds, by which the accuracy of the recipe is told where a set is too small for a test part: each training sample is
    tested once, and no test part is cut. fold: the fold that is the test part, as in the K builds that do this; None = the
    build of the shipped file, which trains on all of them.

    limit: the most samples to train on, drawn with the shares of the classes after val and cal were cut. noise: labels made
    wrong on purpose.

    test_fraction: what becomes test where the source has no test part, likewise. image_size: N or HxW, to resize all images to.
    skip_bad: leave unreadable files out. leave_out: the group that becomes the test part, all others are trained on.
    split_by: parts keep the shares of the classes ("class"), or every group on one side ("group"). seed: of the splits, if not
    the recipe's, so that students of several RNG seeds have the same validation samples. audio: how clips become samples.
    """

    spec: str = "fashion-mnist-mini"
    val_fraction: Portion = "auto"
    test_fraction: Portion = "auto"
    image_size: tuple[Side, Side] | None = None
    skip_bad: bool = False
    leave_out: str | None = None
    split_by: Literal["class", "group"] = "class"
    cv: int | None = Field(None, ge=2, le=100)
    fold: PositiveInt | None = None
    limit: int | None = Field(None, ge=2)
    noise: NoiseSection | None = None
    seed: int | None = Field(None, ge=0, lt=2**31)
    audio: AudioSection = AudioSection()

    @model_validator(mode="after")
    def _one_of_the_folds(self) -> DataSection:
        if self.fold is not None and (self.cv is None or self.fold > self.cv):
            raise ValueError(f"fold is one of 1 to cv; found fold {self.fold} of cv {self.cv}")
        return self

    @field_validator("val_fraction", "test_fraction", mode="before")
    @classmethod
    def _share_or_count(cls, value: Any) -> Any:
        """One sentence, where the union would tell of each of its types."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value != "auto" and not (number and (0 < value < 0.9 or (value >= 1 and value == int(value)))):
            raise ValueError(f"expected auto, a share below 0.9, or a number of samples; found {value!r}")
        return int(value) if number and value >= 1 else value

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
    """Where and how files are measured.

    targets: host, ssh://[user@]host[:port], adb[:SERIAL], attached, or a name of targets.yaml. warmup: runs before those that
    count. threads: 0 = all cores of the target. runs: counted runs of each file, at least. affinity: the cores to run on:
    "big", "little" (by their highest frequency), a hexadecimal mask such as "f0", or None = left to the system. delegate: what
    computes a .tflite: XNNPACK, plain kernels ("none"), or a phone's GPU or NNAPI, which is refused where it cannot be
    verified. samples: test samples whose outputs are compared with this machine's; None = all. retries: further attempts when a
    latency is not valid. profile: also time each operator. fixed_performance: Android's fixed-performance mode meanwhile.
    runner: a native program instead of the Python runner (Android needs one: benchmark_model); runner_sha256: its pinned
    digest. libraries: files that it loads, pushed beside it. timeout_s: most seconds that one program on the target may run.
    """

    targets: tuple[str, ...] = ("host",)
    threads: tuple[NonNegativeInt, ...] = (1, 0)
    runs: int = Field(100, ge=50)
    warmup: int = Field(10, ge=1)
    affinity: str | None = None
    delegate: Literal["xnnpack", "none", "gpu", "nnapi"] = "xnnpack"
    samples: PositiveInt | None = None
    retries: int = Field(1, ge=0, le=10)
    profile: bool = False
    fixed_performance: bool = False
    runner: str | None = None
    runner_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    libraries: tuple[str, ...] = ()
    timeout_s: int = Field(600, ge=10)

    @field_validator("targets")
    @classmethod
    def _well_formed(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(addresses.parse(name).text for name in dict.fromkeys(names))

    @field_validator("affinity")
    @classmethod
    def _cores(cls, value: str | None) -> str | None:
        if (
            value is not None
            and value not in ("big", "little")
            and not re.fullmatch("(0x)?0*[1-9a-fA-F][0-9a-fA-F]{0,15}", value)
        ):
            raise ValueError(f"expected big, little or a hexadecimal mask such as f0; found {value!r}")
        return value
