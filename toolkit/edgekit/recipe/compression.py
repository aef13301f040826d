"""The network that ships, and how it is made small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from edgekit import registry
from edgekit.recipe.base import AUTO, BY_DATA, Names, Section, Sized, known

Bytes = Annotated[int, Field(ge=1024)]
_UNITS = {"kb": 1024, "mb": 1024**2, "b": 1}


class StudentSection(Section):
    """The network that ships."""

    name: Annotated[str, Names("students", also=("auto",))] = "microresnet"
    """Network that ships; auto picks the most accurate one for the image size that stays within the maximum file size.
    """
    width: str = ""
    """Width of the network if it has several, e.g. xs, s, m or l. By default the first one, or the first one with the
    public weights.
    """
    max_size: Bytes | None = None
    """Maximum size of the shipped file, e.g. 40KB: a gate, and the limit for student auto."""
    weights: str | None = None
    """Weights to start from: a .keras or .h5 file, whose layers are used as far as they fit, or public weights by name.
    """
    backbone: str | None = None
    """File that holds all layers except the head ("logits"): .keras, .h5, or .safetensors or .npz in the layout of a
    public checkpoint. "{leave_out}" in the path stands for data.leave_out. The size of student ast_or_passt comes
    from this file.
    """
    frozen: bool = False
    """Train only the head; curation then uses the embeddings of the frozen backbone instead of a teacher's."""
    head_first: Literal["auto"] | Annotated[float, Field(ge=0, lt=1)] = "auto"
    """Share of the epochs, at the start, that train only the layers missing from the file; the others train all layers
    at a tenth of the learning rate. auto means 0.2 if the head is among those layers. Used only with weights or
    backbone, and not with frozen or peft.
    """

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
            choices = f"known: {', '.join(widths)}" if widths else "it has none"
            raise ValueError(f"{self.name!r} has no width {self.width!r} ({choices})")
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
            raise ValueError("weights and backbone both name a file to start from; choose one")
        if self.frozen and not self.start:
            raise ValueError(
                "frozen needs a trained network: name its file in student.backbone. A frozen backbone with random weights "
                "has learned nothing"
            )
        if self.head_first != "auto" and (self.frozen or not self.start):
            raise ValueError("head_first is only used with weights or backbone, and not with frozen; leave it out")
        return self

    def _has_public(self, weights: str) -> None:
        """Refuse public weights that the student and its width have not."""
        having = {name: entry.weights[weights] for name, entry in registry.STUDENTS.items() if weights in entry.weights}
        if self.name not in having or self.width not in having[self.name]:
            wanted = f"{self.name!r} {self.width}".strip()
            offers = "; ".join(f"--student {name} --width {' or '.join(widths)}" for name, widths in having.items())
            raise ValueError(f"student {wanted} has no weights {weights!r}; these have: {offers}")

    @property
    def start(self) -> str | None:
        """The file, or the name of public weights, that training starts from, if there is one."""
        return self.backbone or self.weights


class PruningSection(Section):
    """Magnitude pruning, and the physical removal of channels; neither by default."""

    sparsity: float = Field(0.0, ge=0, lt=1)
    """Share of weights to set to zero by magnitude pruning, e.g. 0.5."""
    channels: float = Field(0.0, ge=0, lt=1)
    """Share of channels to remove physically, e.g. 0.5, for a smaller and faster network."""
    residual: bool = False
    """Also count and remove channels of residual streams, which all blocks share."""
    epochs: Sized = Field(BY_DATA)
    """Epochs of fine-tuning after pruning; auto sets them by the number of samples."""
    learning_rate: float = Field(1e-3, gt=0)
    """Learning rate of the fine-tuning."""
    schedule: Literal["polynomial", "constant"] = "polynomial"
    """Pruning schedule: polynomial (Zhu and Gupta) or constant."""
    pattern: str = Field("", pattern=r"^(|2:4|[1-9]\d?x[1-9]\d?)$")
    """What is set to zero together: single weights (""), blocks of RxC such as 1x4, or two of each group of four (2:4).
    """
    layers: Mapping[str, Annotated[float, Field(ge=0, lt=1)]] = {}
    """Sparsity of individual layers, by name; 0 leaves a layer alone."""

    @field_validator("pattern", mode="before")
    @classmethod
    def _sexagesimal(cls, value: Any) -> Any:
        return "2:4" if value == 124 else value  # YAML 1.1 reads 2:4 as 2 * 60 + 4

    @model_validator(mode="after")
    def _goes_together(self) -> PruningSection:
        if self.pattern == "2:4" and self.sparsity not in (0.0, 0.5):
            raise ValueError(f"pattern 2:4 means a sparsity of 0.5, found {self.sparsity:g}")
        if (self.pattern or self.layers) and not self.sparsity:
            raise ValueError("pattern and layers are only used with a sparsity above 0")
        if self.residual and not self.channels:
            raise ValueError("residual is only used with channels above 0 (--prune-channels)")
        return self


_INTEGER = ("int8", "int8-qat", "auto")


class QuantizationSection(Section):
    """The precision of the shipped file. A float32 file is always exported as well."""

    precision: Annotated[str, Names("precisions")] = "int8"
    """Precision of the shipped file; auto tries several until one stays within the maximum accuracy drop."""
    io: Literal["int8", "uint8", "float32"] = "int8"
    """Input and output type of an int8 file."""
    output: Literal["probabilities", "logits"] = "probabilities"
    """Logits as output distinguish more confidence levels than the 256 of an int8 softmax; your app then applies the
    softmax to them. All files of a run have the same output.
    """
    calibration_samples: int = Field(300, ge=1)
    """Number of samples for calibration."""
    calibration: str = ""
    """Data set for int8 calibration, labels not needed. By default the training samples."""
    ranges: Literal["minmax", "percentile"] = "minmax"
    """How to find the ranges of activations: smallest and largest value, or percentiles."""
    per_channel: bool = True
    """Use one quantization scale for each output channel of a kernel instead of one per kernel."""
    qat_epochs: Sized = Field(BY_DATA)
    """Epochs of quantization-aware training for int8-qat, which keeps pruned weights at zero; auto sets them by the
    number of samples.
    """
    qat_learning_rate: float = Field(2e-4, gt=0)
    """Learning rate of quantization-aware training."""
    onnx: bool = True
    """Also export an int8 ONNX file."""
    shrink: bool = True
    """Leave out of the file what no runtime reads."""
    waveform: bool = False
    """For audio, also export the shipped file with the front end inside, which takes the waveform."""

    _check_precision = field_validator("precision")(lambda name: known("precisions", name))

    @model_validator(mode="after")
    def _io_of_int8(self) -> QuantizationSection:
        if self.precision not in _INTEGER and self.io != "int8":
            raise ValueError(f"io (--io) is for int8 files; a {self.precision} file has float32 input and output")
        if self.ranges == "percentile" and self.precision not in ("int8", "int8-qat"):
            raise ValueError(f"ranges percentile is for int8 and int8-qat files; the precision is {self.precision}")
        if self.calibration and self.precision not in ("int8", "int16x8", "auto"):
            raise ValueError(f"calibration (--calibration) is not used for {self.precision} files; leave it out")
        plain = {
            "qat_epochs": (AUTO, 4),  # 4 is what complete recipes of earlier versions say
            "qat_learning_rate": (QuantizationSection.model_fields["qat_learning_rate"].default,),
        }
        for name, unset in plain.items():
            if getattr(self, name) not in unset and not self.trained:
                raise ValueError(f"{name} is only used by int8-qat and auto; leave it out")
        return self

    @property
    def trained(self) -> bool:
        """Whether a quantization-aware training may be needed."""
        return self.precision in ("int8-qat", "auto")
