"""What a bundle is made of: the file of a run, of a product or of the user's own, what is known of it, and its data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import data, registry
from edgekit import recipe as recipes
from edgekit.bench import predicting, standalone
from edgekit.bench.predicting import Classifier
from edgekit.data.pixels import RANGES, InputRange
from edgekit.errors import DataError, UnknownName, UsageError
from edgekit.recorded import inside
from edgekit.store import MANIFEST
from edgekit.types import Artifact, Dataset, Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A file that is bundled. name: of the run or product, for the folder; origin: that folder, None = a file by itself.

    metadata: the content of the metadata.json beside it, {} = there is none. entry: what that says of the file.
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
        found: Mapping[str, Any] = self.metadata.get("artifacts", {}).get(self.artifact.name, {})
        return found

    @property
    def copies(self) -> int:
        """Samples that the file takes at a time where it fixes their number, else 1."""
        return max(1, self.artifact.inputs[0].shape[0])

    @property
    def is_waveform(self) -> bool:
        """Whether the file has the front end of its clips inside."""
        return self.classifier.front_end is not None and len(self.artifact.inputs[0].shape) == 2


def read(path: Path, kind: str, input_range: str = "0-1") -> Subject:
    """The file to bundle of a run folder, a product or a file.

    Raises:
        UnknownName: no such kind of bundle, or no such input range.
        UsageError: the kind cannot hold such a file, or the run has none that it can.
        DataError, IntegrityError: see `predicting.load`.
    """
    registry.check("bundles", kind)
    ranges: dict[str, InputRange] = {each: each for each in RANGES}
    if input_range not in ranges:
        raise UnknownName("input range", input_range, RANGES)
    if not path.exists():
        raise DataError(f"{path} does not exist; expected a run folder, a product, a .tflite or an .onnx file.")
    file = _file(path, kind)
    classifier = predicting.load(file)
    if kind in ("android", "pi") and classifier.front_end is not None and len(classifier.artifact.inputs[0].shape) != 2:
        classifier = predicting.load(_waveform_of(file))
    metadata = _metadata(file)
    _check(kind, classifier.artifact)
    if ranges[input_range] != "0-1" and classifier.described:
        raise UsageError(
            f"--input-range is for files that no metadata.json describes; that of {file} tells its contract."
        )
    origin = _origin(file)
    return Subject(
        kind=kind,
        name=file.stem if origin is None else origin.resolve().name,
        classifier=classifier,
        input_range=ranges[input_range],
        origin=origin,
        metadata=metadata if classifier.described else {},
    )


def dataset_of(subject: Subject, spec: str | None, reporter: Reporter) -> tuple[Dataset, bool | None]:
    """The data set whose samples become golden vectors, and whether it is the one that the file was trained on (None = unknown).

    Args:
        spec: as --data says; None = that of the recipe beside the file.

    Raises:
        UsageError: there is no recipe and no spec. DataError: the file does not take such data.
    """
    shape, made = subject.artifact.inputs[0].shape[1:], subject.classifier.front_end
    recipe = None if subject.origin is None else subject.origin / "recipe.yaml"
    if recipe is not None and recipe.is_file():
        asked = recipes.load(recipe)
        section = asked.data if spec is None else asked.data.model_copy(update={"spec": spec})
        found = data.load_section(section, asked.seed)
    elif spec is None:
        raise UsageError(
            f"No recipe.yaml tells the data of {subject.artifact.path}; say with --data what it is to be tested on."
        )
    else:
        size = None if made is not None else f"{shape[0]}x{shape[1]}"
        found = standalone.images(spec, size, None, [subject.artifact.path])
    standalone.fitting([subject.artifact], found, "val", subject.input_range)
    recorded = _fingerprint(subject.origin)
    same = None if recorded is None else recorded == found.fingerprint
    if same is False:
        reporter.warn(f"{found.name} is not the data that {subject.name} was trained on (its fingerprint differs).")
    return found, same


def _file(path: Path, kind: str) -> Path:
    found = predicting.find(path)
    if kind != "onnx":
        if found.suffix == ".onnx":
            raise UsageError(f"A bundle for {kind} holds a .tflite, and {found} is an .onnx; give --bundle onnx.")
        return found
    if found.suffix == ".onnx":
        return found
    # An .onnx has the precision of its .tflite where the run wrote one, else it is the float one.
    beside: tuple[Path, ...] = (found.with_suffix(".onnx"), found.with_name("model_float32.onnx"))
    if not path.is_dir() or not any(each.is_file() for each in beside):
        raise UsageError(
            f"There is no .onnx beside {found}; give an .onnx file, or a run, which writes one (edgekit build)."
        )
    return next(each for each in beside if each.is_file())


def _waveform_of(file: Path) -> Path:
    artifacts = _metadata(file).get("artifacts", {})
    for name, entry in artifacts.items():
        if entry.get("waveform", {}).get("of") == file.name:
            found = inside(file.parent, name, file.parent / "metadata.json")
            if found.is_file():
                return found
    raise UsageError(
        f"{file} takes features of clips, and there is no file beside it that takes the clips themselves; build with --waveform."
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
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _fingerprint(origin: Path | None) -> str | None:
    if origin is None or not (origin / MANIFEST).is_file():
        return None
    found = json.loads((origin / MANIFEST).read_text()).get("dataset_fingerprint")
    return None if found is None else str(found)
