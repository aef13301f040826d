"""The network that ships, and how it is made small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from edgekit import registry
from edgekit.sections.base import AUTO, BY_DATA, Section, Sized, known

Bytes = Annotated[int, Field(ge=1024)]
_UNITS = {"kb": 1024, "mb": 1024**2, "b": 1}


class StudentSection(Section):
    """The network that ships.

    name: of registry.STUDENTS, or auto: the most accurate that fits `max_size` at the images' size. width: of a network that
    has widths, "" = its first. max_size: most bytes of the shipped file, a number or "40KB": a gate, and what auto chooses by.
    weights: a local .keras or .h5 file to start from, as far as its layers fit, or public weights by name (imagenet), with which
    width "" is the first that has them. backbone: a file (also .safetensors or .npz, in the layout of a public checkpoint) that
    all layers but the head, "logits", must be in; "{leave_out}" in it stands for data.leave_out. Student ast_or_passt has its
    size. frozen: train the head alone, and let curation read the embeddings of the frozen trunk in place of a teacher's.
    head_first: share of the epochs, at the start, that train only the layers that are not in the file; the rest trains all of
    them at a tenth of the rate. auto is 0.2 where the head is such a layer. Read only with weights or backbone, and not with
    frozen or peft.
    """

    name: str = "microresnet"
    width: str = ""
    max_size: Bytes | None = None
    weights: str | None = None
    backbone: str | None = None
    frozen: bool = False
    head_first: Literal["auto"] | Annotated[float, Field(ge=0, lt=1)] = "auto"

    @model_validator(mode="before")
    @classmethod
    def _width_of_the_weights(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("width"):
            return values
        entry = registry.STUDENTS.get(str(values.get("name", cls.model_fields["name"].default)))
        widths = entry.weights.get(str(values.get("weights"))) if entry else None
        return {**values, "width": widths[0]} if widths else values

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

    @model_validator(mode="after")
    def _learned(self) -> StudentSection:
        if self.name != "auto" and registry.STUDENTS[self.name].from_file and not self.backbone:
            raise ValueError(
                f"{self.name!r} has the size of a public checkpoint: name its .safetensors or .npz file in student.backbone"
            )
        if self.weights in registry.PUBLIC_WEIGHTS:
            self._has_public(self.weights)
        if self.weights and self.backbone:
            raise ValueError("weights and backbone are two files to start from; choose one")
        if self.frozen and not self.start:
            raise ValueError(
                "frozen needs a trained network: name its file in student.backbone. A frozen backbone of random weights "
                "would have learned nothing"
            )
        if self.head_first != "auto" and (self.frozen or not self.start):
            raise ValueError("head_first is read only with weights or backbone, and not with frozen; leave it out")
        return self

    def _has_public(self, weights: str) -> None:
        """Refuse public weights that the student and its width have not."""
        having = {name: entry.weights[weights] for name, entry in registry.STUDENTS.items() if weights in entry.weights}
        if self.name not in having or self.width not in having[self.name]:
            asked = f"{self.name!r} {self.width}".strip()
            told = "; ".join(f"--student {name} --width {' or '.join(widths)}" for name, widths in having.items())
            raise ValueError(f"student {asked} has no weights {weights!r}; those that have: {told}")

    @property
    def start(self) -> str | None:
        """The file, or the name of public weights, that training starts from, if there is one."""
        return self.backbone or self.weights


class PruningSection(Section):
    """Magnitude pruning and the physical removal of channels; with 0 of both, neither.

    sparsity: share of zero weights. channels: share of the channels to remove. epochs, learning_rate: of the fine-tuning after
    both; auto: as many epochs as it takes. schedule: polynomial (Zhu & Gupta) or constant. pattern: "" for single weights, "RxC"
    for whole blocks such as 1x4, or 2:4 for two zeros in each group of four. layers: another sparsity for single layers, by
    name, 0 = leave alone. residual: `channels` also counts those of residual streams, which all blocks share.
    """

    sparsity: float = Field(0.0, ge=0, lt=1)
    channels: float = Field(0.0, ge=0, lt=1)
    residual: bool = False
    epochs: Sized = Field(BY_DATA)
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
        if self.residual and not self.channels:
            raise ValueError("residual is read only with channels above 0 (--prune-channels)")
        return self


_INTEGER = ("int8", "int8-qat", "auto")


class QuantizationSection(Section):
    """The precision of the shipped file. float32 is always exported beside it.

    precision: of registry.PRECISIONS. io: input and output type of an int8 file. output: what every file of the run ends in;
    logits rank answers finer than the 256 levels of an int8 softmax, and whoever reads them takes the softmax.
    calibration_samples: how many; calibration: a data spec to take them from, labels not needed ("" = the curated training
    set). ranges: of activations, from the smallest to the largest value seen, or percentiles of them. per_channel: a scale for
    each output channel of a kernel, or one for the whole. qat_epochs and qat_learning_rate: of the fine-tuning of "int8-qat",
    which keeps the zeros of a pruned network. onnx: also an int8 ONNX file. shrink: leave out of the file what no runtime
    reads. waveform: of clips, also the shipped file behind its front end, which takes sound itself.
    """

    precision: str = "int8"
    io: Literal["int8", "uint8", "float32"] = "int8"
    output: Literal["probabilities", "logits"] = "probabilities"
    calibration_samples: int = Field(300, ge=1)
    calibration: str = ""
    ranges: Literal["minmax", "percentile"] = "minmax"
    per_channel: bool = True
    qat_epochs: Sized = Field(BY_DATA)
    qat_learning_rate: float = Field(2e-4, gt=0)
    onnx: bool = True
    shrink: bool = True
    waveform: bool = False

    _check_precision = field_validator("precision")(lambda name: known("precisions", name))

    @model_validator(mode="after")
    def _io_of_int8(self) -> QuantizationSection:
        if self.precision not in _INTEGER and self.io != "int8":
            raise ValueError(f"io (--io) is for int8 files; a {self.precision} file has float32 input and output")
        if self.ranges == "percentile" and self.precision not in ("int8", "int8-qat"):
            raise ValueError(f"ranges percentile is for int8 and int8-qat files; the precision is {self.precision}")
        if self.calibration and self.precision not in ("int8", "int16x8", "auto"):
            raise ValueError(f"calibration (--calibration) is not read for {self.precision} files; leave it out")
        plain = {
            "qat_epochs": (AUTO, 4),  # 4 is what complete recipes of earlier versions say
            "qat_learning_rate": (QuantizationSection.model_fields["qat_learning_rate"].default,),
        }
        for name, unset in plain.items():
            if getattr(self, name) not in unset and not self.trained:
                raise ValueError(f"{name} is read only by int8-qat and auto; leave it out")
        return self

    @property
    def trained(self) -> bool:
        """Whether a quantization-aware training may be needed."""
        return self.precision in ("int8-qat", "auto")
