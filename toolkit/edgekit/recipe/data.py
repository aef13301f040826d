"""Where the samples come from, and where files are measured."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from edgekit.recipe import addresses
from edgekit.recipe.audio import AudioSection
from edgekit.recipe.base import Section

# A larger picture is no input of an edge classifier, and would take gigabytes to decode.
Side = Annotated[int, Field(ge=1, le=4096)]
# As scikit-learn's test_size has it.
Portion = Literal["auto"] | Annotated[float, Field(gt=0, lt=0.9)] | Annotated[int, Field(ge=1)]


class NoiseSection(Section):
    """Label noise added to the training samples on purpose, to study curation. Validation, calibration and test labels
    stay as they are.
    """

    kind: Literal["symmetric", "pair"]
    """How labels change: symmetric turns a label into any other class with equal probability, pair into the other class
    of its pair.
    """
    rate: float = Field(gt=0, lt=1)
    """Probability that a label is changed; with kind pair, a label of one of the paired classes."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Pairs of class names for kind pair. By default each class turns into the next one."""
    seed: int | None = Field(None, ge=0, lt=2**31)
    """RNG seed of the noise. By default the seed of the split."""

    @model_validator(mode="after")
    def _read(self) -> NoiseSection:
        if self.pairs and self.kind != "pair":
            raise ValueError("pairs are only used with kind pair; leave them out")
        return self


class DataSection(Section):
    """Where the samples come from, and how they are split."""

    spec: str = "fashion-mnist-mini"
    """Data set: a name, a folder of images or clips by class, a CSV file, an IDX folder, an .npz file, hf:NAME or
    tfds:NAME.
    """
    val_fraction: Portion = "auto"
    """How much of the training data to hold out, half for validation and half for calibration: a share below 0.9, a
    number of samples, or auto, which depends on the size of the data set. The recipe.yaml of a run holds the
    resulting number.
    """
    test_fraction: Portion = "auto"
    """How much to hold out for testing if the source has no test set, given like val_fraction."""
    image_size: tuple[Side, Side] | None = None
    """Resize all images to N x N or H x W pixels, e.g. 96 or 96x128."""
    skip_bad: bool = False
    """Skip unreadable files and list them, instead of failing."""
    leave_out: str | None = None
    """Group to use as the test set; all other groups are for training."""
    split_by: Literal["class", "group"] = "class"
    """How to split the data: class keeps the class proportions in each part, group keeps each group in one part."""
    cv: int | None = Field(None, ge=2, le=100)
    """Estimate accuracy by K-fold cross-validation, for data sets too small for a test set; none is held out."""
    fold: PositiveInt | None = None
    """Fold to use as the test set, in one of the K builds of a cross-validation. By default none: the model that ships
    is trained on all folds.
    """
    limit: int | None = Field(None, ge=2)
    """Maximum number of training samples, drawn with the class proportions after validation and calibration samples are
    held out.
    """
    noise: NoiseSection | None = None
    """Label noise added to the training samples on purpose."""
    seed: int | None = Field(None, ge=0, lt=2**31)
    """RNG seed of the split. By default the seed of the recipe; set it to give students with different seeds the same
    validation samples.
    """
    audio: AudioSection = AudioSection()

    @model_validator(mode="after")
    def _one_of_the_folds(self) -> DataSection:
        if self.fold is not None and (self.cv is None or self.fold > self.cv):
            raise ValueError(f"expected a fold from 1 to cv; found fold {self.fold} of cv {self.cv}")
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
                raise ValueError(f"expected N or HxW, such as 96 or 96x128; found {value!r}")
            return tuple(int(side) for side in (sides * 2)[:2])
        return value


class BenchSection(Section):
    """Where and how files are benchmarked."""

    targets: tuple[str, ...] = ("host",)
    """Where to benchmark: host, ssh://[user@]host[:port], adb[:SERIAL], attached, or a name from targets.yaml."""
    threads: tuple[NonNegativeInt, ...] = (1, 0)
    """Thread counts to benchmark with; 0 means all cores of the target."""
    runs: int = Field(100, ge=50)
    """Minimum number of timed runs per file."""
    warmup: int = Field(10, ge=1)
    """Number of runs before the timed ones."""
    affinity: str | None = None
    """CPU cores to run on: big or little (by maximum frequency), or a hexadecimal mask such as f0. By default the
    operating system decides.
    """
    delegate: Literal["xnnpack", "none", "gpu", "nnapi"] = "xnnpack"
    """What runs a .tflite file: XNNPACK, plain kernels (none), or a phone's GPU or NNAPI, which are refused if their
    use cannot be verified.
    """
    samples: PositiveInt | None = None
    """Number of test samples to run on the target, to compare its outputs with this machine's. By default all."""
    retries: int = Field(1, ge=0, le=10)
    """Number of further attempts if a latency measurement is not valid."""
    profile: bool = False
    """Also time each operator, if the runner can."""
    fixed_performance: bool = False
    """Use Android's fixed-performance mode while measuring."""
    runner: str | None = None
    """Native program to use instead of the Python runner: benchmark_model, which Android needs, or edgekit's own."""
    runner_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    """SHA-256 digest that the native runner must have."""
    libraries: tuple[str, ...] = ()
    """Library that the native runner loads; it is copied to the target along with the runner."""
    timeout_s: int = Field(600, ge=10)
    """Maximum run time of one program on the target, in seconds."""

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
