"""How networks are trained: the student, the teacher, and what one learns from the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from edgekit.recipe.base import BY_DATA, Names, Section, Sized, known

Augmentation = Literal["auto", "none", "shift", "shift-flip", "color", "color-flip", "affine", "photo", "audio"]


class TrainingSection(Section):
    """How the student is trained."""

    epochs: Sized = Field(BY_DATA)
    """Epochs of training; auto sets them by the number of samples."""
    batch_size: Sized = Field(BY_DATA)
    """Samples per training step; auto takes fewer if there are few samples."""
    retries: int = Field(0, ge=0, le=4)
    """How often to repeat a training that has not learned, with twice the epochs each time. On small data sets, auto
    epochs add two retries for the student and one for the teacher.
    """
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    """Optimizer: sgd uses Nesterov momentum, adam no weight decay."""
    learning_rate: float = Field(8e-3, gt=0)
    """Peak learning rate."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Momentum of sgd."""
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    """Learning rate schedule: step multiplies the rate by gamma at each milestone."""
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.5, 0.75)
    """When schedule step changes the learning rate, as shares of the training."""
    gamma: float = Field(0.1, gt=0, le=1)
    """What schedule step multiplies the learning rate by."""
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of the training during which the learning rate rises."""
    weight_decay: float = Field(0.02, ge=0)
    """Weight decay of adamw and sgd."""
    clip_norm: float | None = Field(1.0, gt=0)
    """Maximum norm of a gradient; null for no limit."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of the target that is spread evenly over all classes."""
    ema: float = Field(0.0, ge=0, lt=1)
    """Decay of a moving average of the weights, which becomes the result; 0 for none. Batch normalization statistics
    are renewed.
    """
    swa: float = Field(0.0, ge=0, lt=1)
    """Share of the epochs, at the end, whose weights are averaged at the constant rate swa_learning_rate; 0 for none.
    Batch normalization statistics are renewed.
    """
    swa_learning_rate: float | None = Field(None, gt=0)
    """Learning rate of swa. By default a tenth of learning_rate."""
    augment: Augmentation = "auto"
    """Data augmentation; auto chooses by the data."""
    cutout: float = Field(0.0, ge=0, le=0.5)
    """Side of the square that is blanked out, as a share of the image's side."""
    mixup: float = Field(0.0, ge=0)
    """Alpha of mixup's beta distribution; 0 for no mixup."""
    patchout: Literal["auto", "none", "structured", "unstructured"] = "auto"
    """Which patches of a transformer each training step leaves out: whole times and frequencies (structured), or random
    ones (unstructured). auto is the network's own choice.
    """
    batch_norm: Literal["auto", "moving", "renewed"] = "auto"
    """Batch normalization statistics of the result: moving averages of the last steps, or renewed on samples without
    augmentation. auto renews them on small data sets.
    """
    class_weights: Literal["auto", "none", "balanced"] = "auto"
    """balanced weights each class by the inverse of its sample count; auto does so if the largest class has at least
    three times the samples of the smallest.
    """
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format of the training; auto uses bfloat16 if it is faster on this machine."""
    xla: Literal["auto", "on", "off"] = "auto"
    """Compile the training; auto does, except on the CPU with TensorFlow."""
    checkpoint: int = Field(5, ge=0)
    """Epochs between the checkpoints that an interrupted training resumes from; 0 for none."""
    match: Literal["steps", "epochs"] = "steps"
    """What equals the training without curation: optimizer steps or epochs."""

    @field_validator("xla", mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value  # YAML 1.1 reads on and off so

    @model_validator(mode="after")
    def _one_average(self) -> TrainingSection:
        if self.ema and self.swa:
            raise ValueError("ema and swa both average the weights; choose one")
        if self.swa_learning_rate is not None and not self.swa:
            raise ValueError("swa_learning_rate is only used with swa")
        plain = TrainingSection.model_fields
        for name, of, where in (
            ("momentum", self.optimizer == "sgd", "optimizer sgd"),
            ("milestones", self.schedule == "step", "schedule step"),
            ("gamma", self.schedule == "step", "schedule step"),
        ):
            if getattr(self, name) != plain[name].default and not of:
                raise ValueError(f"{name} is only used with {where}; leave it out")
        return self


class DistillationSection(Section):
    """Knowledge distillation: learning from the teacher's softened outputs as well (Hinton et al. 2015, arXiv
    1503.02531).
    """

    alpha: float = Field(0.0, ge=0, le=1)
    """Share of the loss that comes from the teacher's outputs (knowledge distillation), e.g. 0.7; 0 for none."""
    temperature: float = Field(4.0, gt=0)
    """Temperature that divides the logits of teacher and student."""
    views: int = Field(0, ge=0)
    """Number of augmented views of each image that the teacher sees, once; the epochs take turns at them. 0 for one per
    epoch.
    """

    @model_validator(mode="after")
    def _read(self) -> DistillationSection:
        if not self.alpha and (self.views or self.temperature != 4.0):
            raise ValueError("temperature and views are only used with an alpha above 0 (--distill)")
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
    """The network whose predictions drive curation. By default it is that of the IQR study: plain Adam, no
    augmentation. Values that are not given come from the network.
    """

    name: Annotated[str, Names("teachers")] = "cnn32-64"
    """Network whose predictions drive curation. microresnet trains fast; methods that need several networks use it by
    default.
    """
    width: str = ""
    """Width of the teacher if it has several."""
    seed: int | None = Field(None, ge=0, lt=2**31)
    """RNG seed of the teacher, so that students with different seeds can share it. By default the seed of the recipe.
    """
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
                "patchout leaves out patches of a spectrogram transformer, but no teacher is one; leave it out"
            )
        return self
