"""Files from any source, not only from a build: what they are, which data they accept, and how good they are on it."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit import data
from edgekit import recipe as recipes
from edgekit.data.audio.frontend import options_of
from edgekit.data.audio.waves import waves
from edgekit.data.pixels import RANGES, InputRange, scaled
from edgekit.errors import DataError, UnknownName
from edgekit.evidence import temperature
from edgekit.inference import described, litert, onnxrt
from edgekit.inference.evaluate import evaluation_of, judged, outputs
from edgekit.runs.files import sha256_file
from edgekit.types import Artifact, Dataset, Evaluation, FrontEnd, Images, Output, Split

_PARTS = ("train", "val", "cal", "test")


def artifact_of(path: Path) -> Artifact:
    """Describe a .tflite or .onnx file; facts known only from its training (parameters, MAC) are 0.

    Raises:
        DataError: it does not exist, is not of these types, or cannot be run.
    """
    if path.is_dir():
        raise DataError(
            f"{path} is a folder; expected a .tflite or .onnx file, e.g. {path}/artifacts/model_int8.tflite."
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
    contents = [each.read_bytes() for each in (path, *(onnxrt.external(path) if runtime is onnxrt else ()))]
    return Artifact(
        name=path.name,
        path=path,
        format=path.suffix[1:],
        precision="int8" if quantized else "float32",
        sha256=sha256_file(path),
        size_bytes=sum(map(len, contents)),
        gzip_bytes=sum(len(gzip.compress(content, 9, mtime=0)) for content in contents),
        params=0,
        macs=0,
        sparsity=0.0,
        inputs=inputs,
        outputs=outputs,
    )


def fitting(artifacts: Sequence[Artifact], dataset: Dataset, split_name: str, input_range: InputRange) -> Split:
    """The split of `dataset` to run the files on.

    Raises:
        UnknownName: no such split, or input range.
        DataError: a file expects other images, has another number of classes, or is quantized for other pixel values; for clips,
            nothing shows that it expects the features of `dataset`.
    """
    if split_name not in _PARTS:
        raise UnknownName("split", split_name, _PARTS)
    if not len(getattr(dataset, split_name)):
        raise DataError(
            f"{dataset.name} has no {split_name} part, since cross-validation (data.cv) does not split one off."
        )
    for artifact in artifacts:
        expected, shape = artifact.inputs[0].shape[1:], dataset.input.shape
        if dataset.input.front_end is not None:
            _check_front_end(artifact, dataset.input.front_end, input_range)
        elif len(expected) != len(shape) or any(
            want not in (-1, have) for want, have in zip(expected, shape, strict=True)
        ):
            sized = expected[2:] == shape[2:] and min(expected) > 0
            resize = f" Use --image-size {expected[0]}x{expected[1]}." if sized else ""
            raise DataError(f"{artifact.path} expects images of {expected}, but {dataset.name} has {shape}.{resize}")
        if (outputs := artifact.outputs[0].shape[-1]) != len(dataset.classes):
            raise DataError(
                f"{artifact.path} has {outputs} outputs, but {dataset.name} has {len(dataset.classes)} classes."
            )
        if dataset.input.front_end is None:
            range_of(artifact, input_range)
    split: Split = getattr(dataset, split_name)
    return split


def _check_front_end(artifact: Artifact, front_end: FrontEnd, input_range: InputRange) -> None:
    """The shape alone does not distinguish the features of one front end from those of another."""
    description = described.beside(artifact)
    if description is None or description.sha256 != artifact.sha256 or description.front_end is None:
        raise DataError(
            f"No metadata.json next to {artifact.path} describes its front end for clips; copy the one of its run there."
        )
    if description.front_end != front_end:
        raise DataError(
            f"{artifact.path} expects {description.front_end.summary}; these are {front_end.summary}. Evaluate it separately."
        )
    if input_range != "0-1":
        raise DataError(f"--input-range applies to pixels; {artifact.path} expects clips.")


def inputs_of(artifact: Artifact, dataset: Dataset, split: Split, input_range: InputRange) -> Images:
    """The file's input for each sample of `split`: features, pixels in `input_range`, or waveforms."""
    front_end = dataset.input.front_end
    if front_end is not None and dataset.root is not None and artifact.inputs[0].shape[1:] == (front_end.clip_samples,):
        return waves(split, dataset.root, front_end)
    return scaled(split.x, range_of(artifact, input_range))


def range_of(artifact: Artifact, asked: InputRange) -> InputRange:
    """The range of pixel values to feed a file for images: `asked`, but the pixels themselves to integers without a scale.

    Raises:
        UnknownName: no such range. DataError: the input tensor shows that it takes another one.
    """
    if asked not in RANGES:
        raise UnknownName("input range", asked, RANGES)
    given, dtype = artifact.inputs[0], np.dtype(artifact.inputs[0].dtype)
    if not np.issubdtype(dtype, np.integer):
        return asked
    limits = np.iinfo(dtype)
    if given.scale == 0:
        if limits.max < 255 or asked == "signed":
            raise DataError(
                f"{artifact.path} takes {dtype} values without a scale, so nothing tells how pixels become {dtype}; expected "
                "uint8 for pixels from 0 to 255, or a scale and a zero point."
            )
        return "0-255"
    low, high = ((limit - given.zero_point) * given.scale for limit in (limits.min, limits.max))
    takes = _ranges_of(low, high)
    if dtype.itemsize == 1 and asked not in takes:
        instead = (
            f"use --input-range {' or '.join(takes)}"
            if takes
            else (
                f"it takes pixels in no range that edgekit can feed ({', '.join(RANGES)}); convert it for one of them"
            )
        )
        raise DataError(
            f"{artifact.path} is quantized for inputs from {low:.3g} to {high:.3g}, but pixels are passed as {asked}: {instead}."
        )
    return asked


def _ranges_of(low: float, high: float) -> list[InputRange]:
    """The ranges of pixel values that an input quantized from `low` to `high` may be for: both of its ends are near.

    Calibration rarely reaches the very ends of a range, and sometimes leaves room beyond them. On dark images it stays far below
    the upper end: then the narrowest range that holds all of it.
    """
    widths = {name: most - least for name, (least, most) in RANGES.items()}
    near = [
        name
        for name, (least, most) in RANGES.items()
        if abs(low - least) < 0.4 * widths[name] and -0.65 * widths[name] < high - most < 2 * widths[name]
    ]
    room = 0.1 * (high - low)
    inside = [name for name, (least, most) in RANGES.items() if low > least - room and high < most + room]
    return near or sorted(inside, key=lambda name: widths[name])[:1]


def images(spec: str | None, image_size: str | None, seed: int | None, files: Sequence[Path] = ()) -> Dataset:
    """The data set `spec`, by default the shipped images, in the form that `files` expect.

    Args:
        image_size: "N" or "HxW", to resize all images to.
        files: for clips, the front end that the first of them was trained with computes the samples.
    """
    described_files = (described.beside(artifact_of(path)) for path in files)
    front_end = next(
        (description.front_end for description in described_files if description is not None and description.front_end),
        None,
    )
    if front_end is not None and spec is None:
        raise DataError(f"{files[0]} expects clips; name them with --data.")
    audio = None if front_end is None else dataclasses.asdict(options_of(front_end))
    given = {"data.spec": spec, "data.image_size": image_size, "seed": seed, "data.audio": audio}
    recipe = recipes.load(values=given)
    return data.load_section(recipe.data, recipe.seed)


def evaluate_file(
    path: Path, dataset: Dataset, split_name: str, input_range: InputRange = "0-1", *, output: Output | None = None
) -> Evaluation:
    """All metrics of one file on one split of a data set, with pixels passed in `input_range`.

    Args:
        output: the kind of the file's output; None = as in a metadata.json next to it, else probabilities.

    Raises:
        DataError: see `fitting` and `finite`; or a file not known to output logits has values outside [0, 1], or rows that do not
            sum to 1.
        IntegrityError: the metadata.json next to it is damaged.
    """
    artifact = artifact_of(path)
    split = fitting([artifact], dataset, split_name, input_range)
    output = output or described.output_of(artifact) or "probabilities"
    raw = finite(artifact, outputs(artifact, inputs_of(artifact, dataset, split, input_range)))
    if output == "probabilities" and (raw.min() < -1e-3 or raw.max() > 1 + 1e-3):
        raise DataError(
            f"{path} outputs values outside [0, 1], perhaps logits; edgekit evaluates probabilities. If they are logits, pass "
            "--logits, or copy the metadata.json of its run next to it."
        )
    if output == "probabilities" and (strange := sums(artifact, raw)):
        raise DataError(
            f"{path}: {strange} Without a softmax, NLL, Brier and ECE mean nothing. End the model in one over the classes, or in "
            "logits (--logits)."
        )
    _, labels, raw = judged(split, raw, output)
    return evaluation_of(artifact, split_name, temperature.probabilities(raw, output), labels, dataset.classes)


def finite(artifact: Artifact, raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """The (N, K) outputs of a file.

    Raises:
        DataError: one is no finite number; the largest of such a row would be a label at random.
    """
    if bad := int((~np.isfinite(raw.reshape(len(raw), -1)).all(axis=1)).sum()):
        raise DataError(
            f"{artifact.path} outputs NaN or infinity for {bad:,} of {len(raw):,} samples: it is damaged, or its training "
            "diverged. Check the model that it was made of."
        )
    return raw


def sums(artifact: Artifact, raw: NDArray[np.float32]) -> str | None:
    """A sentence on the rows of (N, K) outputs that do not sum to 1, as independent sigmoid units do not; None if all do."""
    if raw.ndim != 2:
        return None  # refused by name elsewhere
    room = 0.01 + raw.shape[1] * artifact.outputs[0].scale  # each value of a quantized file is rounded
    total = raw.sum(axis=1, dtype=np.float64)
    off = np.flatnonzero(np.abs(total - 1) > room)
    if not len(off):
        return None
    return (
        f"the outputs of {len(off):,} of {len(raw):,} samples do not sum to 1 (the first sum to {total[off[0]]:.3g})."
    )
