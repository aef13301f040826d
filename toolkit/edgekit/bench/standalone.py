"""Files that no build of ours need have made: what they are, which data they take, and how good they are on it."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit import data
from edgekit import recipe as recipes
from edgekit.bench import described, litert, onnxrt
from edgekit.bench.evaluate import evaluation_of, judged, outputs
from edgekit.data.audio.frontend import options_of
from edgekit.data.audio.waves import waves
from edgekit.data.pixels import RANGES, InputRange, scaled
from edgekit.errors import DataError, UnknownName
from edgekit.evidence import temperature
from edgekit.store import sha256_file
from edgekit.types import Artifact, Dataset, Evaluation, FrontEnd, Images, Output, Split

_PARTS = ("train", "val", "cal", "test")


def artifact_of(path: Path) -> Artifact:
    """Describe a .tflite or .onnx file; what only its training knows (parameters, MAC) is 0.

    Raises:
        DataError: it does not exist, is neither, or cannot be run.
    """
    if path.is_dir():
        raise DataError(
            f"{path} is a folder; expected a .tflite or .onnx file, say {path}/artifacts/model_int8.tflite."
        )
    if not path.is_file():
        raise DataError(f"{path} does not exist; expected a .tflite or .onnx file.")
    if path.suffix not in (".tflite", ".onnx"):
        raise DataError(f"{path} is neither a .tflite nor an .onnx file.")
    runtime = onnxrt if path.suffix == ".onnx" else litert
    inputs, outputs = runtime.describe(path)
    if len(inputs) != 1 or len(outputs) != 1:
        raise DataError(f"{path} has {len(inputs)} inputs and {len(outputs)} outputs; a classifier has one of each.")
    quantized = np.issubdtype(np.dtype(outputs[0].dtype), np.integer)
    content = path.read_bytes()
    return Artifact(
        name=path.name,
        path=path,
        format=path.suffix[1:],
        precision="int8" if quantized else "float32",
        sha256=sha256_file(path),
        size_bytes=len(content),
        gzip_bytes=len(gzip.compress(content, 9, mtime=0)),
        params=0,
        macs=0,
        sparsity=0.0,
        inputs=inputs,
        outputs=outputs,
    )


def fitting(artifacts: Sequence[Artifact], dataset: Dataset, split_name: str, input_range: InputRange) -> Split:
    """The split of `dataset` that the files are to be run on.

    Raises:
        UnknownName: no such split.
        DataError: a file takes other images, has another number of classes, or is quantized for other pixel values; of clips,
            nothing tells that it takes the features of `dataset`.
    """
    if split_name not in _PARTS:
        raise UnknownName("split", split_name, _PARTS)
    if input_range not in RANGES:
        raise UnknownName("input range", input_range, RANGES)
    for artifact in artifacts:
        expected, found = artifact.inputs[0].shape[1:], dataset.input.shape
        if dataset.input.front_end is not None:
            _check_front_end(artifact, dataset.input.front_end, input_range)
        elif tuple(expected) != tuple(found):
            resize = f" Give --image-size {expected[0]}x{expected[1]}." if expected[2:] == found[2:] else ""
            raise DataError(f"{artifact.path} takes images of {expected}, but {dataset.name} has {found}.{resize}")
        if (outputs := artifact.outputs[0].shape[-1]) != len(dataset.classes):
            raise DataError(
                f"{artifact.path} has {outputs} outputs, but {dataset.name} has {len(dataset.classes)} classes."
            )
        _check_range(artifact, input_range)
    split: Split = getattr(dataset, split_name)
    return split


def _check_front_end(artifact: Artifact, made: FrontEnd, input_range: InputRange) -> None:
    """The shape alone does not tell features of one front end from those of another."""
    told = described.beside(artifact)
    if told is None or told.sha256 != artifact.sha256 or told.front_end is None:
        raise DataError(
            f"No metadata.json beside {artifact.path} says by which front end clips become its inputs; put that of its run there."
        )
    if told.front_end != made:
        raise DataError(f"{artifact.path} takes {told.front_end.told}; these are {made.told}. Evaluate it apart.")
    if input_range != "0-1":
        raise DataError(f"--input-range is about pixels; {artifact.path} takes clips.")


def inputs_of(artifact: Artifact, dataset: Dataset, split: Split, input_range: InputRange) -> Images:
    """What the file takes of each sample of `split`: features, pixels in `input_range`, or waveforms."""
    made = dataset.input.front_end
    if made is not None and dataset.root is not None and artifact.inputs[0].shape[1:] == (made.clip_samples,):
        return waves(split, dataset.root, made)
    return scaled(split.x, input_range)


def _check_range(artifact: Artifact, input_range: InputRange) -> None:
    """An int8 input tells the range it was calibrated for: one of 255 values 1 apart takes 0..255, not 0..1."""
    given = artifact.inputs[0]
    if given.scale == 0 or np.dtype(given.dtype).itemsize > 1:
        return
    limits = np.iinfo(given.dtype)
    low, high = ((limit - given.zero_point) * given.scale for limit in (limits.min, limits.max))
    # Calibration seldom meets the very ends of the range, and some leave room beyond them.
    fitting_ranges = [name for name, (least, most) in RANGES.items() if 1 / 3 < (high - low) / (most - least) < 3]
    if fitting_ranges and input_range not in fitting_ranges:
        raise DataError(
            f"{artifact.path} is quantized for inputs from {low:.3g} to {high:.3g}, but is fed pixels as {input_range}: "
            f"give --input-range {' or '.join(fitting_ranges)}."
        )


def images(spec: str | None, image_size: str | None, seed: int | None, files: Sequence[Path] = ()) -> Dataset:
    """The data set `spec`, by default the shipped images, as `files` take it.

    Args:
        image_size: "N" or "HxW", to resize all images to.
        files: clips become samples by the front end that the first of them was trained with.
    """
    described_files = (described.beside(artifact_of(path)) for path in files)
    made = next((found.front_end for found in described_files if found is not None and found.front_end), None)
    if made is not None and spec is None:
        raise DataError(f"{files[0]} takes clips; say with --data which.")
    audio = None if made is None else dataclasses.asdict(options_of(made))
    given = {"data.spec": spec, "data.image_size": image_size, "seed": seed, "data.audio": audio}
    recipe = recipes.load(values=given)
    return data.load_section(recipe.data, recipe.seed)


def evaluate_file(
    path: Path, dataset: Dataset, split_name: str, input_range: InputRange = "0-1", *, output: Output | None = None
) -> Evaluation:
    """All metrics of one file on one split of a data set, fed with pixels in `input_range`.

    Args:
        output: what the file ends in; None = what a metadata.json beside it says, else probabilities.

    Raises:
        DataError: see `fitting`; or a file that is not known to give logits gives values outside [0, 1].
        IntegrityError: the metadata.json beside it is damaged.
    """
    artifact = artifact_of(path)
    split = fitting([artifact], dataset, split_name, input_range)
    output = output or described.output_of(artifact) or "probabilities"
    raw = outputs(artifact, inputs_of(artifact, dataset, split, input_range))
    if output == "probabilities" and (raw.min() < -1e-3 or raw.max() > 1 + 1e-3):
        raise DataError(
            f"{path} gives values outside [0, 1], logits perhaps; edgekit evaluates probabilities. If they are logits, say so "
            "with --logits, or put the metadata.json of its run beside it."
        )
    _, labels, raw = judged(split, raw, output)
    return evaluation_of(artifact, split_name, temperature.probabilities(raw, output), labels, dataset.classes)
