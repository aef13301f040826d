"""A recipe: everything that decides a build, checked before any work begins.

Sections are read by one stage each, which is what the stage cache keys on: changing `quantization` never retrains.
"""

from __future__ import annotations

from typing import Annotated, Any

import yaml
from pydantic import Field, field_validator, model_validator

from edgekit import registry
from edgekit.recipe.base import Names, Section, known
from edgekit.recipe.compression import PruningSection, QuantizationSection, StudentSection
from edgekit.recipe.curation import CurationSection
from edgekit.recipe.data import BenchSection, DataSection
from edgekit.recipe.operating import OperatingSection
from edgekit.recipe.peft import PeftSection
from edgekit.recipe.training import DistillationSection, TeacherSection, TrainingSection

LEFT_OUT = "{leave_out}"
# Curation methods whose teacher is the IQR study's; the others take the fast one.
_STUDYS_TEACHER = ("none", "random", "iqr")
_READ_BY_HEADS = ("epochs", "seed")


class Recipe(Section):
    """Everything that decides a build."""

    seed: int = Field(42, ge=0, lt=2**31)
    """RNG seed of splits, training and random draws."""
    deterministic: bool = False
    """Train to the same weights every time, which is slower."""
    backend: Annotated[str, Names("backends")] = "tensorflow"
    """Training backend."""
    control: bool = False
    """Also train on as many samples dropped at random, and compare."""
    data: DataSection = DataSection()
    teacher: TeacherSection = TeacherSection()
    curation: CurationSection = CurationSection()
    student: StudentSection = StudentSection()
    training: TrainingSection = TrainingSection()
    distillation: DistillationSection = DistillationSection()
    peft: PeftSection = PeftSection()
    pruning: PruningSection = PruningSection()
    quantization: QuantizationSection = QuantizationSection()
    bench: BenchSection = BenchSection()
    operating: OperatingSection = OperatingSection()
    gates: tuple[str, ...] = ()
    """Requirement for the file, e.g. 'accuracy>=0.92', 'recall:CLASS>=0.8', 'size_kb<=40' or 'p50_ms<=2@ssh://user@pi';
    exit code 7 if it is missed. A build judges accuracy and recall on validation samples.
    """
    accept_chance: bool = False
    """Accept a file that is no more accurate on validation than always predicting the largest class."""
    max_drop: float | None = Field(None, ge=0)
    """Maximum accuracy drop, in percentage points, on validation samples; exit code 7 if the shipped file loses more.
    """

    _check_backend = field_validator("backend")(lambda name: known("backends", name))

    @model_validator(mode="before")
    @classmethod
    def _teacher_of_the_method(cls, values: Any) -> Any:
        """Methods that train several networks take the fast one; iqr the study's teacher."""
        if not isinstance(values, dict):
            return values
        curation, teacher = values.get("curation"), values.get("teacher")
        if not isinstance(curation, dict) or not isinstance(teacher or {}, dict) or "name" in (teacher or {}):
            return values
        method = curation.get("method", "none")
        if method in _STUDYS_TEACHER or method not in registry.CURATIONS:
            return values
        return {**values, "teacher": {**(teacher or {}), "name": "microresnet"}}

    @model_validator(mode="before")
    @classmethod
    def _backbone_of_the_fold(cls, values: Any) -> Any:
        """ "{leave_out}" in student.backbone is the group left out: each fold has a backbone that never met its test group."""
        student, section = (
            (values.get(name) for name in ("student", "data")) if isinstance(values, dict) else (None, None)
        )
        if not isinstance(student, dict) or not isinstance(section, dict):
            return values
        path, group = student.get("backbone"), section.get("leave_out")
        if not isinstance(path, str) or not isinstance(group, str):
            return values
        return {**values, "student": {**student, "backbone": path.replace(LEFT_OUT, group)}}

    @model_validator(mode="after")
    def _control_has_something_to_control(self) -> Recipe:
        by_hand = self.curation.method == "none" and self.curation.apply
        if self.control and self.curation.method in ("none", "random") and not by_hand:
            raise ValueError(f"control compares a curation with a random one; curation is {self.curation.method!r}")
        return self

    @model_validator(mode="after")
    def _folds_stand_alone(self) -> Recipe:
        if self.data.cv is not None and self.control and self.data.fold is None:
            raise ValueError(
                "control compares two files on the test set, but data.cv (--cv) holds out none; use one of them"
            )
        if self.data.cv is not None and self.curation.apply:
            raise ValueError(
                "curation.apply holds manual edits, made by someone who saw every sample, so no fold would be tested unseen: "
                "leave out data.cv (--cv) or the edits"
            )
        return self

    @model_validator(mode="after")
    def _peft_has_something_to_adapt(self) -> Recipe:
        if self.peft.method != "none" and self.student.head_first != "auto":
            raise ValueError(f"student.head_first is not used with peft {self.peft.method!r}; leave it out")
        if self.peft.method != "none" and not self.student.start:
            raise ValueError(
                f"peft {self.peft.method!r} adapts a trained network: name its file in student.backbone. A frozen backbone with "
                "random weights has learned nothing"
            )
        return self

    @model_validator(mode="after")
    def _teacher_is_read(self) -> Recipe:
        """Heads on a frozen backbone stand in a teacher's place, and read little of its section."""
        if self.distillation.alpha or not self.student.frozen or not set(self.curation.needs) - {"digests"}:
            return self
        plain = TeacherSection() if self.curation.method in _STUDYS_TEACHER else TeacherSection(name="microresnet")
        changed = [name for name in TeacherSection.model_fields if getattr(self.teacher, name) != getattr(plain, name)]
        if unread := [f"teacher.{name}" for name in changed if name not in _READ_BY_HEADS]:
            raise ValueError(
                f"{', '.join(unread)}: not used with student.frozen, where heads on the backbone's embeddings take the "
                "teacher's place (they only use teacher.epochs and teacher.seed); leave it out"
            )
        return self

    def to_yaml(self) -> str:
        """The complete recipe; `from_yaml` of it is equal to this one."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)
