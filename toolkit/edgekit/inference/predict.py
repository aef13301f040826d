"""Labels for new inputs from a .tflite or .onnx file, as its metadata.json and labels.txt describe it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.images import skipped_message
from edgekit.data.pixels import RANGES, InputRange, scaled
from edgekit.errors import DataError, IntegrityError, UsageError
from edgekit.evidence import temperature as scaling
from edgekit.inference import clips, described, inputs
from edgekit.inference.described import Described
from edgekit.inference.evaluate import outputs, pooled
from edgekit.inference.standalone import artifact_of, finite, range_of, sums
from edgekit.runs.folder import MANIFEST
from edgekit.runs.recorded import inside, unchanged
from edgekit.types import Artifact, FrontEnd, Output, Reporter

_CONTRACT = "pixel / 255, float in [0, 1]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """A file and the names of its K classes. output: the kind of its output, None = unknown. described: by a metadata.json.

    calibration: (temperature, floor) to scale its probabilities with, None = unscaled; logits need no floor (None).
    front_end: converts clips to its inputs, None = it takes images. input_range: of the pixel values that it takes.
    """

    artifact: Artifact
    classes: tuple[str, ...]
    output: Output | None
    described: bool
    calibration: tuple[float, float | None] | None = None
    front_end: FrontEnd | None = None
    input_range: InputRange = "0-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """An input and its most probable classes, best first: (label, probability) each."""

    input: str
    top: tuple[tuple[str, float], ...]


def find(path: Path) -> Path:
    """The model file at `path`: itself, or the one in a run folder, a zoo product or a bundle.

    Raises:
        DataError: it is a folder of another kind.
        IntegrityError: the run, product or bundle is damaged.
    """
    if not path.is_dir():
        return path
    try:
        if (report := path / "report.json").is_file():
            shipped = json.loads(unchanged(report).read_text())["run"]["shipped"]
            return inside(path, f"artifacts/{shipped}", report)
        if (path / MANIFEST).is_file():
            manifest = json.loads((path / MANIFEST).read_text())
            if "artifact" in manifest:
                return inside(path, manifest["artifact"], path / MANIFEST)
            if "bundle" in manifest:  # its location depends on the kind of app
                (held,) = (str(name) for name in manifest["files"] if Path(name).name == manifest["model"])
                return inside(path, held, path / MANIFEST)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise IntegrityError(f"{path} is a damaged run, product or bundle ({type(error).__name__}: {error}).") from None
    raise DataError(
        f"{path} is neither a finished run nor a product or bundle; expected a .tflite or .onnx file, or such a folder."
    )


def load(
    path: Path, labels: Path | None = None, *, calibrated: bool = False, input_range: InputRange = "0-1"
) -> Classifier:
    """Describe the classifier at `path` (see `find`), for later predictions.

    Args:
        labels: one class name per line; None = metadata.json or labels.txt next to the file, else "0", "1", ...
        calibrated: scale the probabilities with the temperature in metadata.json.
        input_range: of the pixel values that a file without metadata.json takes.

    Raises:
        UnknownName: no such input range. UsageError: metadata.json says which one it is.
        DataError: not an image classifier, the number of labels differs from its outputs, or it has no temperature.
        IntegrityError: metadata.json records a different digest for the file, or a manifest for one of the files that are read.
    """
    artifact = artifact_of(unchanged(find(path)))
    shape = artifact.inputs[0].shape
    metadata = _described(artifact)
    heard = metadata is not None and metadata.front_end is not None
    if not heard and (len(shape) != 4 or min(shape[1:]) < 1 or shape[3] not in (1, 3)):
        raise DataError(
            f"{artifact.path} has inputs of shape {shape}; expected images (N, H, W, 1 or 3), or a file for clips with the "
            "metadata.json of its run next to it."
        )
    if metadata is not None and input_range != "0-1":
        raise UsageError(
            f"--input-range applies only to files without metadata.json; the one of {artifact.path} defines its contract."
        )
    count = artifact.outputs[0].shape[-1]
    beside = artifact.path.parent / "labels.txt"
    names: Sequence[str]
    if labels is not None or (metadata is None and beside.is_file()):
        source = labels or beside
        names = _lines(unchanged(source))
    elif metadata is not None:
        source, names = metadata.path, metadata.classes
    else:
        source, names = artifact.path, [str(k) for k in range(count)]
    if len(names) != count:
        raise DataError(f"{source} names {len(names)} classes, but {artifact.path} has {count} outputs.")
    return Classifier(
        artifact=artifact,
        classes=tuple(names),
        output=None if metadata is None else metadata.output,
        described=metadata is not None,
        calibration=_calibration(artifact, metadata) if calibrated else None,
        front_end=None if metadata is None else metadata.front_end,
        input_range=input_range if heard else range_of(artifact, input_range),
    )


def run(
    classifier: Classifier, paths: Sequence[Path], top: int, reporter: Reporter, *, skip_bad: bool = False
) -> Iterator[Prediction]:
    """Label the inputs at `paths`, in order; memory does not grow with the number of files.

    Args:
        top: how many classes to list for each input, at most K.
        skip_bad: leave unreadable files out, and warn about them.

    Raises:
        DataError: see `inputs.read`, `clips.read` and `standalone.finite`.
    """
    artifact = classifier.artifact
    shape = artifact.inputs[0].shape[1:]
    resized, logits, told = 0, classifier.output == "logits", False
    if not classifier.described:
        low, high = RANGES[classifier.input_range]
        reporter.note(
            f"No metadata.json describes {artifact.name}; its input is assumed to be pixels from {low:g} to {high:g} "
            "(--input-range)."
        )
    front_end = classifier.front_end
    read = (
        inputs.read(paths, (shape[0], shape[1], shape[2]), skip_bad=skip_bad)
        if front_end is None
        else clips.read(paths, front_end, waveform=len(shape) == 1, skip_bad=skip_bad)
    )
    for chunk in read:
        if chunk.skipped:
            reporter.warn(skipped_message(chunk.skipped))
        if not len(chunk.x):
            continue
        p: NDArray[np.floating[Any]] = finite(artifact, outputs(artifact, scaled(chunk.x, classifier.input_range)))
        if classifier.output is None and not logits and (p.min() < -1e-3 or p.max() > 1 + 1e-3):
            logits = True
            reporter.warn(f"{artifact.name} outputs values outside [0, 1]; they are treated as logits.")
        if not (logits or told) and (strange := sums(artifact, p)):
            told = True
            reporter.warn(f"{artifact.name}: {strange} They are scores, not probabilities.")
        temperature, floor = classifier.calibration or (1.0, None)
        if chunk.clip is not None:
            p = pooled(p, chunk.clip, "logits" if logits else "probabilities")
        if logits:
            p = scaling.apply(p, temperature)
        elif floor is not None:
            p = scaling.apply(np.log(np.maximum(p, floor)), temperature)
        resized += chunk.resized
        best = np.argsort(-p, axis=1, kind="stable")[:, :top]
        for name, row, classes in zip(chunk.names, p, best.tolist(), strict=True):
            yield Prediction(input=name, top=tuple((classifier.classes[k], float(row[k])) for k in classes))
    if resized:
        reporter.warn(f"{resized:,} inputs are not {shape[0]}x{shape[1]} and were resized.")


def _calibration(artifact: Artifact, metadata: Described | None) -> tuple[float, float | None]:
    """(temperature, floor) of the file. Raises DataError or IntegrityError."""
    where = artifact.path.parent / "metadata.json"
    calibration = None if metadata is None else metadata.calibration
    if metadata is None or calibration is None:
        raise DataError(f"{where} has no temperature for {artifact.name}; remove --calibrated, or build it again.")
    try:
        fitted, temperature = bool(calibration["fitted"]), float(calibration["temperature"])
        floor = None if metadata.output == "logits" else float(calibration["floor"])
        if not (0 < temperature < math.inf and (floor is None or 0 < floor < 1)):
            raise ValueError(f"temperature {temperature}, floor {floor}")
    except (KeyError, TypeError, ValueError) as error:
        raise described.damaged(where, error) from None
    if not fitted:
        raise DataError(
            f"No temperature fitted the {calibration.get('n')} calibration samples of {artifact.name}; remove --calibrated."
        )
    return temperature, floor


def _described(artifact: Artifact) -> Described | None:
    """How metadata.json next to the file describes it, if it does."""
    description = described.beside(artifact)
    if description is None:
        return None
    if description.sha256 != artifact.sha256:
        raise IntegrityError(
            f"{artifact.path} is not the file that {description.path} describes (its SHA-256 differs); restore it, or move "
            "it elsewhere."
        )
    if description.front_end is None and description.contract != _CONTRACT:
        raise DataError(
            f"{description.path} requires inputs as {description.contract!r}; this edgekit supports {_CONTRACT!r}."
        )
    front_end, taken = description.front_end, tuple(artifact.inputs[0].shape[1:])
    if front_end is not None and taken not in (front_end.shape, (front_end.clip_samples,)):
        raise IntegrityError(
            f"{artifact.path} has inputs of shape {artifact.inputs[0].shape}, but {description.path} describes features of shape "
            f"{front_end.shape}."
        )
    return description


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}.") from None
