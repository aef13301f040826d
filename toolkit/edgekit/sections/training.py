"""How networks are trained: the student, the teacher, and what one learns from the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from edgekit.sections.base import BY_DATA, Section, Sized, known

Augmentation = Literal["auto", "none", "shift", "shift-flip", "color", "color-flip", "affine", "photo", "audio"]


class TrainingSection(Section):
    """One training run.

    match: what equals the uncurated run's, optimizer steps or epochs. epochs: passes over the samples; auto: as many as it takes.
    batch_size: samples of a step; auto: fewer where samples are few. learning_rate: the highest of the run. momentum: of sgd.
    weight_decay: of adamw and sgd. clip_norm: the largest norm of a gradient; None = any. label_smoothing: share of the target
    that all classes get alike. augment: how samples are varied; auto chooses by the data. xla: compile the training; auto does,
    but on the CPU of TensorFlow.

    retries: how often a training that has not learned is done again, each time with twice the epochs; auto epochs of a small set
    bring two. batch_norm: its statistics in the end, moving averages of the last steps or renewed on samples without
    augmentation; auto renews them on small sets.

    optimizer: sgd is Nesterov's, with `momentum`; adam has no weight_decay. schedule: step multiplies the rate by `gamma` at
    each of `milestones`. milestones: shares of the run. gamma: what a step multiplies the rate by. swa_learning_rate: the
    constant rate of swa; None = a tenth of learning_rate. warmup: share of the run. ema: decay of a moving average of the
    weights, which is then the result. swa: share of the epochs, at the end, whose weights are averaged at a constant rate of
    `swa_learning_rate`. Both renew the statistics of batch normalization. cutout: share of a side; mixup: alpha of its beta
    distribution. patchout: what of a transformer's patches a training step leaves out: whole times and frequencies, or patches
    at random; auto is the network's own. class_weights: balanced weighs each class by the inverse of its count; auto does where
    the largest has three times the samples of the smallest, or more. precision: auto takes bfloat16
    where the machine computes it faster. checkpoint: epochs between checkpoints that a killed training resumes from, 0 = none.
    """

    epochs: Sized = Field(BY_DATA)
    batch_size: Sized = Field(BY_DATA)
    retries: int = Field(0, ge=0, le=4)
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
    patchout: Literal["auto", "none", "structured", "unstructured"] = "auto"
    batch_norm: Literal["auto", "moving", "renewed"] = "auto"
    class_weights: Literal["auto", "none", "balanced"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    xla: Literal["auto", "on", "off"] = "auto"
    checkpoint: int = Field(5, ge=0)
    match: Literal["steps", "epochs"] = "steps"

    @field_validator("xla", mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value  # YAML 1.1 reads on and off so

    @model_validator(mode="after")
    def _one_average(self) -> TrainingSection:
        if self.ema and self.swa:
            raise ValueError("ema and swa are two averages of the weights; choose one")
        if self.swa_learning_rate is not None and not self.swa:
            raise ValueError("swa_learning_rate is read only with swa")
        plain = TrainingSection.model_fields
        for name, of, where in (
            ("momentum", self.optimizer == "sgd", "optimizer sgd"),
            ("milestones", self.schedule == "step", "schedule step"),
            ("gamma", self.schedule == "step", "schedule step"),
        ):
            if getattr(self, name) != plain[name].default and not of:
                raise ValueError(f"{name} is read only with {where}; leave it out")
        return self


class DistillationSection(Section):
    """Learning from the teacher's softened outputs as well (Hinton et al. 2015, arXiv 1503.02531).

    alpha: the share of the teacher in the loss, 0 = no distillation. temperature: divides the logits of both. views: how many
    augmented views of each image the teacher is asked about, once; the epochs take turns at them. 0 = one for each epoch.
    """

    alpha: float = Field(0.0, ge=0, le=1)
    temperature: float = Field(4.0, gt=0)
    views: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _read(self) -> DistillationSection:
        if not self.alpha and (self.views or self.temperature != 4.0):
            raise ValueError("temperature and views are read only with an alpha above 0 (--distill)")
        return self


# A network's own training, where it differs from the section's defaults: choosing a teacher chooses how it is trained.
_TEACHER_TRAINING: Mapping[str, Mapping[str, Any]] = {
    "cnn32-64": {},
    "microresnet": {
        "batch_size": "auto",
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

    Values that are not given are those of the network: "microresnet" trains fast, for methods that need several networks. name:
    of registry.TEACHERS. width: of the network, where it has widths. seed: its own RNG seed, so that students of several seeds
    share a teacher.
    """

    name: str = "cnn32-64"
    width: str = ""
    seed: int | None = Field(None, ge=0, lt=2**31)
    batch_size: Sized = Field(32)
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

    @model_validator(mode="after")
    def _no_patches(self) -> TeacherSection:
        if self.patchout != "auto":
            raise ValueError(
                "patchout leaves out patches of a spectrogram transformer, and no teacher is one; leave it out"
            )
        return self
