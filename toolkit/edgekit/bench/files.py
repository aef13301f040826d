"""bench on any files, built by edgekit or not: .tflite and .onnx classifiers, on any targets."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.bench.measure import Benched, check, greeted, measure
from edgekit.bench.target_run import Samples
from edgekit.data.pixels import InputRange
from edgekit.errors import UsageError
from edgekit.inference.standalone import artifact_of, fitting, images, inputs_of
from edgekit.recipe import BenchSection
from edgekit.types import Artifact, Measurement, Reporter


def parse_threads(text: str) -> tuple[int, ...]:
    """ "1,0" -> (1, 0). Raises UsageError for anything else."""
    try:
        counts = tuple(int(part) for part in text.split(","))
        if min(counts) < 0:
            raise ValueError
    except ValueError:
        raise UsageError(f"--threads {text!r} is not a list of thread counts such as 1,4 (0 = all cores).") from None
    return counts


def bench_files(
    paths: Sequence[Path],
    spec: str | None,
    plan: BenchSection,
    reporter: Reporter,
    *,
    split_name: str = "test",
    input_range: InputRange = "0-1",
    image_size: str | None = None,
    seed: int | None = None,
    done: Callable[[Sequence[Measurement]], None] | None = None,
) -> Benched:
    """Measure files on the targets of `plan`, interleaved.

    Args:
        spec: data for accuracy and parity; None = latency only, on noise.
        input_range: range of the pixel values that the files expect. image_size: "N" or "HxW", to resize all images to.
        done: called with the rows of each target as soon as it is done.

    Raises:
        UsageError: files of different input shapes, or the same file twice.
        DataError: a file does not accept these images, or has a different number of classes.
        TargetError: see `measure.check`; a target that fails later is in the result's `failures`.
    """
    if spec is None and (plan.samples or image_size or split_name != "test" or input_range != "0-1"):
        raise UsageError(
            "--samples, --split, --image-size and --input-range apply to the samples of --data, which is not given."
        )
    planned = check(plan)
    artifacts = [artifact_of(path) for path in paths]
    shapes = {artifact.inputs[0].shape[1:] for artifact in artifacts}
    if len(shapes) > 1:
        raise UsageError(
            f"The files have inputs of different shapes ({', '.join(map(str, shapes))}); benchmark them separately."
        )
    artifacts = _with_distinct_names(artifacts)
    (shape,) = shapes
    if spec is None and min(shape, default=1) < 1:
        raise UsageError(
            f"{paths[0]} takes images of any size ({shape}), and its latency depends on the size; name images with --data, and "
            "their size with --image-size."
        )
    if spec is None:
        reporter.note("No --data: latency only, on noise.")
        return measure(artifacts, plan, _noise(shape), reporter=reporter, done=done)
    with greeted(planned):
        dataset = images(spec, image_size, seed, paths)
    split = fitting(artifacts, dataset, split_name, input_range)
    samples = Samples.of(split, inputs_of(artifacts[0], dataset, split, input_range))
    return measure(artifacts, plan, samples.x[:1], samples=samples, seed=seed or 0, reporter=reporter, done=done)


def _with_distinct_names(artifacts: Sequence[Artifact]) -> list[Artifact]:
    """The artifacts; if two have the same name, all are named by their paths below the folder they share."""
    if len({artifact.name for artifact in artifacts}) == len(artifacts):
        return list(artifacts)
    paths = [artifact.path.resolve() for artifact in artifacts]
    if len(set(paths)) < len(paths):
        raise UsageError("One of the files is given twice.")
    shared = Path(os.path.commonpath(paths))
    return [
        dataclasses.replace(artifact, name=path.relative_to(shared).as_posix())
        for artifact, path in zip(artifacts, paths, strict=True)
    ]


def _noise(shape: Sequence[int]) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((1, *map(abs, shape)), dtype=np.float32)
