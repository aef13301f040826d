"""evaluate and bench on files that no build of ours need have made."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit import data
from edgekit.bench import litert, onnxrt
from edgekit.bench.evaluate import predict
from edgekit.bench.measure import measure
from edgekit.data.pixels import to_float
from edgekit.errors import DataError, UnknownName, UsageError
from edgekit.evidence import metrics
from edgekit.recipe import BenchSection, Recipe
from edgekit.store import sha256_file
from edgekit.types import Artifact, Evaluation, Measurement


def artifact_of(path: Path) -> Artifact:
    """Describe a .tflite or .onnx file; what only its training knows (parameters, MAC) is 0.

    Raises:
        DataError: it does not exist, is neither, or cannot be run.
    """
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


def evaluate_file(path: Path, spec: str | None, split_name: str, seed: int | None) -> Evaluation:
    """All metrics of one file on one split of a data set.

    Raises:
        DataError: the file does not take these images or has another number of classes.
    """
    if split_name not in (parts := ("train", "val", "cal", "test")):
        raise UnknownName("split", split_name, parts)
    defaults = Recipe()
    dataset = data.load(spec or defaults.data.spec, seed=defaults.seed if seed is None else seed)
    artifact = artifact_of(path)
    expected, found = artifact.inputs[0].shape[1:], dataset.input.shape
    if tuple(expected) != tuple(found):
        raise DataError(f"{path} takes images of {expected}, but {dataset.name} has {found}.")
    if artifact.outputs[0].shape[-1] != len(dataset.classes):
        raise DataError(
            f"{path} has {artifact.outputs[0].shape[-1]} outputs, but {dataset.name} has {len(dataset.classes)} classes."
        )
    split = getattr(dataset, split_name)
    probabilities = predict(artifact, split.x)
    if probabilities.min() < -1e-3 or probabilities.max() > 1 + 1e-3:
        raise DataError(f"{path} gives values outside [0, 1], logits perhaps; edgekit evaluates probabilities.")
    quality = metrics.quality(probabilities, split.y)
    return Evaluation(
        artifact=artifact.name,
        artifact_sha256=artifact.sha256,
        split=split_name,
        predictions=None,
        **dataclasses.asdict(quality),
    )


def parse_threads(text: str) -> tuple[int, ...]:
    """ "1,0" -> (1, 0). Raises UsageError for anything else."""
    try:
        counts = tuple(int(part) for part in text.split(","))
        if min(counts) < 0:
            raise ValueError
    except ValueError:
        raise UsageError(f"--threads {text!r} is not a list of thread counts such as 1,4 (0 = all cores).") from None
    return counts


def bench_files(paths: Sequence[Path], spec: str | None, threads: tuple[int, ...], runs: int) -> list[Measurement]:
    """Latency of files on this machine, interleaved; the input is a real image where the data fits, else noise."""
    artifacts = [artifact_of(path) for path in paths]
    shapes = {artifact.inputs[0].shape[1:] for artifact in artifacts}
    if len(shapes) > 1:
        raise UsageError(
            f"The files take inputs of different shapes ({', '.join(map(str, shapes))}); bench them apart."
        )
    (shape,) = shapes
    dataset = data.load(spec or Recipe().data.spec)
    if dataset.input.shape == tuple(shape):
        image = to_float(dataset.val.x[:1])
    else:
        image = np.random.default_rng(0).random((1, *map(abs, shape)), dtype=np.float32)
    return measure(artifacts, BenchSection(threads=threads, runs=runs), image)
