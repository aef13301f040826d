"""What goes into a bundle: the file of a run, of a product or the user's own, what is known about it, and its data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import data, registry
from edgekit import recipe as recipes
from edgekit.data.pixels import InputRange
from edgekit.errors import DataError, UsageError
from edgekit.inference import predict as predicting
from edgekit.inference import standalone
from edgekit.inference.predict import Classifier
from edgekit.runs.folder import MANIFEST
from edgekit.runs.recorded import inside, unchanged
from edgekit.types import Artifact, Dataset, Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A file to bundle. name: of the run or product, for the folder; origin: that folder, None = a single file.

    metadata: the content of the metadata.json next to it, {} = there is none. entry: its entry for the file.
    """

    kind: str
    name: str
    classifier: Classifier
    input_range: InputRange
    origin: Path | None
    metadata: Mapping[str, Any]

    @property
    def artifact(self) -> Artifact:
        return self.classifier.artifact

    @property
    def entry(self) -> Mapping[str, Any]:
        entry: Mapping[str, Any] = self.metadata.get("artifacts", {}).get(self.artifact.name, {})
        return entry

    @property
    def copies(self) -> int:
        """Samples that the file takes at a time if it has a fixed batch, else 1."""
        return max(1, self.artifact.inputs[0].shape[0])

    @property
    def is_waveform(self) -> bool:
        """Whether the file has its front end for clips inside."""
        return self.classifier.front_end is not None and len(self.artifact.inputs[0].shape) == 2


def read(path: Path, kind: str, input_range: InputRange = "0-1") -> Subject:
    """The file to bundle, from a run folder, a product or a file.

    Raises:
        UnknownName: no such kind of bundle, or no such input range.
        UsageError: this kind of bundle does not support such a file, or the run has none that it does.
        DataError, IntegrityError: see `predicting.load`.
    """
    registry.check("bundles", kind)
    if not path.exists():
        raise DataError(f"{path} does not exist; expected a run folder, a product, a .tflite or an .onnx file.")
    file = _file(path, kind)
    classifier = predicting.load(file, input_range=input_range)
    if kind in ("android", "pi") and classifier.front_end is not None and len(classifier.artifact.inputs[0].shape) != 2:
        classifier = predicting.load(_waveform_of(file))
    metadata = _metadata(file)
    _check(kind, classifier.artifact)
    origin = _origin(file)
    return Subject(
        kind=kind,
        name=file.stem if origin is None else origin.resolve().name,
        classifier=classifier,
        input_range=classifier.input_range,
        origin=origin,
        metadata=metadata if classifier.described else {},
    )


def dataset_of(subject: Subject, spec: str | None, reporter: Reporter) -> tuple[Dataset, bool | None]:
    """The data set whose samples become golden vectors, and whether the file was trained on it (None = unknown).

    Args:
        spec: as in --data; None = that of the recipe next to the file.

    Raises:
        UsageError: there is no recipe and no spec. DataError: the file does not accept such data.
    """
    shape, front_end = subject.artifact.inputs[0].shape[1:], subject.classifier.front_end
    recipe = None if subject.origin is None else subject.origin / "recipe.yaml"
    if recipe is not None and recipe.is_file():
        run_recipe = recipes.load(unchanged(recipe))
        section = run_recipe.data if spec is None else run_recipe.data.model_copy(update={"spec": spec})
        dataset = data.load_section(section, run_recipe.seed)
    elif spec is None:
        raise UsageError(
            f"There is no recipe.yaml with the data of {subject.artifact.path}; name the data to test it on with --data."
        )
    else:
        size = None if front_end is not None else f"{shape[0]}x{shape[1]}"
        dataset = standalone.images(spec, size, None, [subject.artifact.path])
    standalone.fitting([subject.artifact], dataset, "val", subject.input_range)
    recorded = _fingerprint(subject.origin)
    same = None if recorded is None else recorded == dataset.fingerprint
    if same is False:
        reporter.warn(f"{dataset.name} is not the data that {subject.name} was trained on (its fingerprint differs).")
    return dataset, same


def _file(path: Path, kind: str) -> Path:
    file = predicting.find(path)
    if kind != "onnx":
        if file.suffix == ".onnx":
            raise UsageError(f"A bundle for {kind} needs a .tflite, and {file} is an .onnx; use --bundle onnx.")
        return file
    if file.suffix == ".onnx":
        return file
    # An .onnx has the precision of its .tflite if the run wrote one, else it is the float one.
    beside: tuple[Path, ...] = (file.with_suffix(".onnx"), file.with_name("model_float32.onnx"))
    if not path.is_dir() or not any(each.is_file() for each in beside):
        raise UsageError(
            f"There is no .onnx next to {file}; pass an .onnx file, or a run that wrote one (edgekit build)."
        )
    return next(each for each in beside if each.is_file())


def _waveform_of(file: Path) -> Path:
    artifacts = _metadata(file).get("artifacts", {})
    for name, entry in artifacts.items():
        if entry.get("waveform", {}).get("of") == file.name:
            path = inside(file.parent, name, file.parent / "metadata.json")
            if path.is_file():
                return path
    raise UsageError(
        f"{file} expects features of clips, and no file next to it accepts the clips themselves; build with --waveform."
    )


def _check(kind: str, artifact: Artifact) -> None:
    types = artifact.inputs[0].dtype, artifact.outputs[0].dtype
    if kind == "mcu" and types != ("int8", "int8"):
        raise UsageError(
            f"A bundle for mcu needs a file with int8 input and output; {artifact.path} has {types[0]} and {types[1]}. Build it "
            "with --quantize int8."
        )


def _origin(file: Path) -> Path | None:
    """The run or product that a file belongs to."""
    folder = file.parent
    if (folder.parent / "report.json").is_file() and folder.name == "artifacts":
        return folder.parent
    return folder if (folder / MANIFEST).is_file() and (folder / "recipe.yaml").is_file() else None


def _metadata(file: Path) -> Mapping[str, Any]:
    path = file.parent / "metadata.json"
    document: Mapping[str, Any] = json.loads(unchanged(path).read_text(encoding="utf-8")) if path.is_file() else {}
    return document


def _fingerprint(origin: Path | None) -> str | None:
    if origin is None or not (origin / MANIFEST).is_file():
        return None
    fingerprint = json.loads((origin / MANIFEST).read_text()).get("dataset_fingerprint")
    return None if fingerprint is None else str(fingerprint)
