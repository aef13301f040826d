"""The sections of a recipe. Each is read by one stage, which is what the stage cache keys on.

Changing `quantization` never retrains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, field_validator, model_validator

from edgekit import registry

# A larger picture is no input of an edge classifier, and would take gigabytes to decode.
Side = Annotated[int, Field(ge=1, le=4096)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


def known(table: str, name: str) -> str:
    registry.check(table, name)
    return name


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


Augmentation = Literal["auto", "none", "shift", "shift-flip", "affine", "photo"]


class TrainingSection(Section):
    """One training run. `match` says what equals the uncurated run's: optimizer steps (default) or epochs.

    optimizer: sgd is Nesterov's, with `momentum`. schedule: step multiplies the rate by `gamma` at each of `milestones`
    (shares of the run). warmup: share of the run. ema: decay of a moving average of the weights, which is then the result.
    swa: share of the epochs, at the end, whose weights are averaged at a constant rate of `swa_learning_rate`, the statistics
    of batch normalization renewed after it. augment, cutout (share of a side) and mixup (alpha of its beta distribution).
    class_weights: balanced weighs each class by the inverse of its count. precision: auto takes bfloat16 where the machine
    computes it faster. checkpoint: epochs between checkpoints that a killed training resumes from, 0 = none.
    """

    epochs: int = Field(24, ge=1)
    batch_size: int = Field(128, ge=1)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(8e-3, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.5, 0.75)
    gamma: float = Field(0.1, gt=0, le=1)
    warmup: float = Field(0.1, ge=0, lt=1)
    weight_decay: float = Field(0.02, ge=0)
    clip_norm: float | None = Field(1.0, gt=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    ema: float = Field(0.0, ge=0, lt=1)
    swa: float = Field(0.0, ge=0, lt=1)
    swa_learning_rate: float | None = Field(None, gt=0)
    augment: Augmentation = "auto"
    cutout: float = Field(0.0, ge=0, le=0.5)
    mixup: float = Field(0.0, ge=0)
    class_weights: Literal["none", "balanced"] = "none"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    xla: Literal["auto", "on", "off"] = "auto"
    checkpoint: int = Field(5, ge=0)
    match: Literal["steps", "epochs"] = "steps"

    @model_validator(mode="after")
    def _one_average(self) -> TrainingSection:
        if self.ema and self.swa:
            raise ValueError("ema and swa are two averages of the weights; choose one")
        if self.swa_learning_rate is not None and not self.swa:
            raise ValueError("swa_learning_rate is read only with swa")
        return self


class DistillationSection(Section):
    """Learning from the teacher's softened outputs as well (Hinton et al. 2015, arXiv 1503.02531).

    alpha: the share of the teacher in the loss, 0 = no distillation. views: how many augmented views of each image the teacher
    is asked about, once; the epochs take turns at them. 0 = one for each epoch.
    """

    alpha: float = Field(0.0, ge=0, le=1)
    temperature: float = Field(4.0, gt=0)
    views: int = Field(0, ge=0)


# A network's own training, where it differs from the section's defaults: choosing a teacher chooses how it is trained.
_TEACHER_TRAINING: Mapping[str, Mapping[str, Any]] = {
    "cnn32-64": {},
    "microresnet": {
        "epochs": 8,
        "batch_size": 128,
        "optimizer": "adamw",
        "learning_rate": 8e-3,
        "schedule": "cosine",
        "warmup": 0.2,
        "weight_decay": 0.02,
        "clip_norm": 1.0,
        "augment": "auto",
    },
}


class TeacherSection(TrainingSection):
    """The network whose view of each sample curates; by default the IQR study's, plain Adam, no augmentation.

    Values that are not given are those of `name`: "microresnet" trains fast, for methods that need several networks.
    width: of the network, where it has widths. seed: its own RNG seed, so that students of several seeds share a teacher.
    """

    name: str = "cnn32-64"
    width: str = ""
    seed: int | None = Field(None, ge=0, lt=2**31)
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=1)
    optimizer: Literal["adamw", "adam", "sgd"] = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    schedule: Literal["cosine", "constant", "step"] = "constant"
    warmup: float = Field(0.0, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float | None = Field(None, gt=0)
    augment: Augmentation = "none"
    match: Literal["steps", "epochs"] = "epochs"

    _check_name = field_validator("name")(lambda name: known("teachers", name))

    @model_validator(mode="before")
    @classmethod
    def _own_training(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {**_TEACHER_TRAINING.get(str(values.get("name")), {}), **values}


class CurationSection(Section):
    """Which training samples to edit, and how.

    method: a name of registry.CURATIONS. variant: of the method, "" = its first. budget: how many samples to edit, a count
    (>= 1) or a share (< 1); without one the method's own cut, or as many as the noise estimate says. balance: keep the class
    prior. max_edit: the most edits, as a share. edit: what happens to a chosen sample; "relabel" drops where the networks'
    probability of the new label is under relabel_confidence. upweight: share in [-0.5, 0.25] of each weight that grows with
    the sample's difficulty (negative: with its ease). folds: networks for out-of-fold probabilities.
    iqr: factor of the fences, per_class, log_loss, and basis. ccs: beta, the share of hardest samples to leave out.
    duplicates: epsilon, how far below 1 the cosine of near duplicates may be; 0 = exact ones only.
    members: of a consensus. trusted_val: the validation labels are cleaner than the training labels.
    apply: a file of edits by hand that override the method's. repeats: trainings for the stability report (0 = none).
    """

    method: str = "none"
    variant: str = ""
    budget: float | None = None
    balance: bool = False
    max_edit: float | None = Field(None, gt=0, lt=1)
    edit: Literal["drop", "relabel", "weight"] = "drop"
    relabel_confidence: float = Field(0.8, gt=0, le=1)
    upweight: float = Field(0.0, ge=-0.5, le=0.25)
    folds: int = Field(5, ge=2, le=50)
    factor: float = Field(1.5, gt=0)
    basis: Literal["in-sample", "out-of-fold"] = "in-sample"
    per_class: bool = False
    log_loss: bool = False
    beta: float | None = Field(None, ge=0, lt=1)
    epsilon: float | None = Field(None, ge=0, lt=1)
    members: tuple[str, ...] = ()
    trusted_val: bool = False
    apply: str | None = None
    repeats: int = Field(0, ge=0)

    _check_method = field_validator("method")(lambda name: known("curations", name))

    @field_validator("members")
    @classmethod
    def _check_members(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            known("curations", name)
            if not registry.CURATIONS[name].member:
                can = ", ".join(n for n, entry in registry.CURATIONS.items() if entry.member)
                raise ValueError(f"{name!r} cannot be a member of a consensus; those that can: {can}")
        return tuple(dict.fromkeys(names))

    @model_validator(mode="after")
    def _goes_together(self) -> CurationSection:
        entry = registry.CURATIONS[self.method]
        if self.variant and self.variant not in entry.variants:
            known = ", ".join(entry.variants) or "none"
            raise ValueError(f"{self.method!r} has no variant {self.variant!r} (known: {known})")
        if entry.budget == "needed" and self.budget is None:
            raise ValueError(f"{self.method!r} needs budget (--budget): how many samples to drop, a count or a share")
        if self.method == "none" and self.budget is not None:
            raise ValueError("'none' keeps every sample and takes no budget")
        if self.budget is not None and entry.budget == "none":
            raise ValueError(f"{self.method!r} finds its own samples and takes no budget")
        if entry.subset and (self.balance or self.max_edit is not None):
            raise ValueError(f"{self.method!r} chooses a whole subset; balance and max_edit would undo its choice")
        if self.upweight and self.max_edit is not None:
            raise ValueError("upweight changes the weight of every sample; it does not go with max_edit")
        if self.repeats and self.method in ("none", "random"):
            raise ValueError(f"{self.method!r} has nothing to repeat for a stability report")
        if len(self.members) == 1:
            raise ValueError(f"a consensus needs at least 2 members, found only {self.members[0]!r}")
        if self.beta is not None and self.budget is not None and self.beta > self.budget and self.budget < 1:
            raise ValueError(
                f"beta {self.beta:g} leaves out more of the hardest samples than the budget {self.budget:g}"
            )
        for name in unread(self):
            raise ValueError(f"{name} is not read by {self.method!r}; leave it out")
        if self.members and self.method != "consensus":
            raise ValueError(f"members (--members) are those of 'consensus'; the method is {self.method!r}")
        return self

    @property
    def parameters(self) -> dict[str, Any]:
        """What the method is called with: every value, and the variant by its name."""
        variants = registry.CURATIONS[self.method].variants
        return self.model_dump() | {"variant": self.variant or (variants[0] if variants else "")}

    @property
    def needs(self) -> tuple[str, ...]:
        """The signals to compute: of "teacher", "dynamics", "folds", "threshold" and "digests"."""
        names = [self.method, *self.members]
        needed = [need for name in names for need in registry.CURATIONS[name].needs]
        instead = {("aum", "threshold"): ["threshold"], ("ccs", "aum"): ["dynamics"]}
        if self.method == "iqr" and self.basis == "out-of-fold":
            needed = ["folds"]
        needed = instead.get((self.method, self.variant), needed)
        if self.edit == "relabel" or self.upweight or self.edit == "weight":
            needed.append("folds")
        return tuple(dict.fromkeys(needed))


def unread(section: CurationSection) -> list[str]:
    """The keys of `section` that were set, yet its method does not read."""
    own = {
        "factor": "iqr",
        "basis": "iqr",
        "per_class": "iqr",
        "log_loss": "iqr",
        "beta": "ccs",
        "epsilon": "duplicates",
    }
    plain = {name: field.default for name, field in CurationSection.model_fields.items()}
    found = [name for name, of in own.items() if section.method != of and getattr(section, name) != plain[name]]
    reads_validation = section.method in ("consensus", "auto") or registry.CURATIONS[section.method].on_validation
    if section.trusted_val and not reads_validation:
        found.append("trusted_val")
    if section.folds != plain["folds"] and "folds" not in section.needs:
        found.append("folds")
    return found


Bytes = Annotated[int, Field(ge=1024)]
_UNITS = {"kb": 1024, "mb": 1024**2, "b": 1}


class StudentSection(Section):
    """The network that ships.

    name: of registry.STUDENTS, or auto: the most accurate that fits `max_size` at the images' size. width: of a network that
    has widths, "" = its first. max_size: bytes of the int8 file, a number or "40KB". weights: a local .keras, .h5 or .weights.h5
    file to start from.
    """

    name: str = "microresnet"
    width: str = ""
    max_size: Bytes | None = None
    weights: str | None = None

    @field_validator("max_size", mode="before")
    @classmethod
    def _bytes(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = value.strip().lower()
        unit = next((unit for unit in _UNITS if text.endswith(unit)), "")
        try:
            return round(float(text.removesuffix(unit)) * _UNITS.get(unit, 1))
        except (ValueError, OverflowError):
            raise ValueError(f"expected bytes, KB or MB, such as 40KB; found {value!r}") from None

    @model_validator(mode="after")
    def _known(self) -> StudentSection:
        if self.name == "auto":
            if self.width:
                raise ValueError("student auto chooses the width too; leave width out, or name a student")
            return self
        known("students", self.name)
        widths = registry.STUDENTS[self.name].widths
        if self.width and self.width not in widths:
            told = f"known: {', '.join(widths)}" if widths else "it has none"
            raise ValueError(f"{self.name!r} has no width {self.width!r} ({told})")
        return self


class PruningSection(Section):
    """Magnitude pruning to `sparsity` zeros, and the physical removal of a share of the `channels`; 0 = neither.

    Both fine-tune for `epochs` at `learning_rate`. schedule: polynomial (Zhu & Gupta) or constant. pattern: "" for single
    weights, "RxC" for whole blocks such as 1x4, or 2:4 for two zeros in each group of four. layers: another sparsity for single
    layers, by name, 0 = leave alone. residual: `channels` also counts those of residual streams, which all blocks share.
    """

    sparsity: float = Field(0.0, ge=0, lt=1)
    channels: float = Field(0.0, ge=0, lt=1)
    residual: bool = False
    epochs: int = Field(4, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    schedule: Literal["polynomial", "constant"] = "polynomial"
    pattern: str = Field("", pattern=r"^(|2:4|[1-9]\d?x[1-9]\d?)$")
    layers: Mapping[str, Annotated[float, Field(ge=0, lt=1)]] = {}

    @field_validator("pattern", mode="before")
    @classmethod
    def _sexagesimal(cls, value: Any) -> Any:
        return "2:4" if value == 124 else value  # YAML 1.1 reads 2:4 as 2 * 60 + 4

    @model_validator(mode="after")
    def _goes_together(self) -> PruningSection:
        if self.pattern == "2:4" and self.sparsity not in (0.0, 0.5):
            raise ValueError(f"pattern 2:4 means a sparsity of 0.5, found {self.sparsity:g}")
        if (self.pattern or self.layers) and not self.sparsity:
            raise ValueError("pattern and layers are read only with a sparsity above 0")
        return self


_INTEGER = ("int8", "int8-qat", "auto")


class QuantizationSection(Section):
    """The precision of the shipped file. float32 is always exported beside it.

    io: input and output type of an int8 file. calibration_samples: how many; calibration: a data spec to take them from,
    labels not needed ("" = the curated training set). ranges: of activations, from the smallest to the largest value seen, or
    percentiles of them. per_channel: a scale for each output channel of a kernel, or one for the whole. qat_epochs and
    qat_learning_rate: of the fine-tuning of "int8-qat", which keeps the zeros of a pruned network. onnx: also an int8 ONNX file.
    shrink: leave out of the file what no runtime reads.
    """

    precision: str = "int8"
    io: Literal["int8", "uint8", "float32"] = "int8"
    calibration_samples: int = Field(300, ge=1)
    calibration: str = ""
    ranges: Literal["minmax", "percentile"] = "minmax"
    per_channel: bool = True
    qat_epochs: int = Field(4, ge=1)
    qat_learning_rate: float = Field(2e-4, gt=0)
    onnx: bool = True
    shrink: bool = True

    _check_precision = field_validator("precision")(lambda name: known("precisions", name))

    @model_validator(mode="after")
    def _io_of_int8(self) -> QuantizationSection:
        if self.precision not in _INTEGER and self.io != "int8":
            raise ValueError(f"io (--io) is for int8 files; a {self.precision} file has float32 input and output")
        return self


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
