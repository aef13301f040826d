"""Golden vectors: real inputs and the file's outputs for them on this machine, for a device to reproduce.

Numbers are little-endian in C order in .bin files, described by a JSON document; each input comes with the image (PNG) or clip
(WAV) that it was made from, if that is possible without loss.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bundle import lossless, running
from edgekit.bundle.comparison import comparison
from edgekit.bundle.running import Kernels
from edgekit.bundle.subject import Subject
from edgekit.data.pixels import to_float
from edgekit.data.splits import take
from edgekit.errors import DataError, GateNotMet
from edgekit.inference import litert, standalone
from edgekit.types import Artifact, Dataset, Output, Split

LEAST = 20
MOST = 64
_PER_CLASS = 2
_PARTS = ("val", "cal", "train", "test")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Golden:
    """N real inputs from one part of a data set and their outputs, as in the tensors.

    pixels: (N, H, W, C) uint8 that the inputs are made from, None = the data set has no such images. sources: the content of a
    PNG or WAV of each input, None if there is no lossless one. output: the kind of the file's output. same_data: whether the
    data set is the one that the file was trained on, None = unknown.
    """

    part: str
    dataset: Dataset
    same_data: bool | None
    samples: Split
    inputs: NDArray[Any]
    outputs: NDArray[Any]
    pixels: NDArray[np.uint8] | None
    sources: Sequence[bytes | None]
    suffix: str
    output: Output
    comparison: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def names(self) -> list[str | None]:
        """The name of each source's file."""
        return [None if content is None else f"{i:03}{self.suffix}" for i, content in enumerate(self.sources)]

    @property
    def labels(self) -> list[int]:
        """The class that each output predicts."""
        return [int(k) for k in self.outputs.argmax(axis=1)]


def computed(subject: Subject, dataset: Dataset, same_data: bool | None) -> Golden:
    """Run the file on samples from the first of val, cal, train and test that has enough, two of each class or more.

    Raises:
        DataError: no part has 20 samples. GateNotMet: the file outputs values that are not finite.
    """
    artifact = subject.artifact
    part, split = _part(dataset)
    samples = take(split, _balanced(split.y, len(dataset.classes)))
    x = np.asarray(standalone.inputs_of(artifact, dataset, samples, subject.input_range)[:])
    given = tensors(artifact, x)
    kernels = _kernels(subject)
    raw = running.raw(artifact.path, given, kernels, copies=subject.copies)
    if not np.isfinite(raw.astype(np.float64)).all():
        raise GateNotMet(f"{artifact.path} outputs values that are not finite on {part} of {dataset.name}.")
    pixels: NDArray[np.uint8] | None = None
    sources: list[bytes | None] = [None] * len(samples)
    suffix = ""
    if subject.is_waveform:
        assert subject.classifier.front_end is not None
        sources, suffix = [lossless.wav(wave, subject.classifier.front_end.sample_rate) for wave in x], ".wav"
    elif subject.classifier.front_end is None and samples.x.dtype == np.uint8:
        pixels = np.asarray(samples.x[:])
        sources, suffix = [lossless.png(image) for image in pixels], ".png"
    return Golden(
        part=part,
        dataset=dataset,
        same_data=same_data,
        samples=samples,
        inputs=given,
        outputs=raw,
        pixels=pixels,
        sources=sources,
        suffix=suffix,
        output=subject.classifier.output or _kind(artifact, raw),
        comparison=comparison(artifact, raw, kernels),
    )


def tensors(artifact: Artifact, x: NDArray[Any]) -> NDArray[Any]:
    """The input tensors for (N, ...) inputs."""
    return to_float(x) if artifact.format == "onnx" else litert.quantize(x, artifact.inputs[0])


def files(golden: Golden) -> dict[str, bytes]:
    """The content of the files: inputs.bin, outputs.bin and one for each source; the document comes from `document`."""
    contents = {"inputs.bin": _little(golden.inputs), "outputs.bin": _little(golden.outputs)}
    for name, content in zip(golden.names, golden.sources, strict=True):
        if name is not None and content is not None:
            contents[name] = content
    return contents


def document(golden: Golden, classes: Sequence[str]) -> Mapping[str, Any]:
    """The content of golden.json."""

    def array_entry(name: str, array: NDArray[Any]) -> Mapping[str, Any]:
        digest = hashlib.sha256(_little(array)).hexdigest()
        return {"file": name, "dtype": array.dtype.name, "shape": list(array.shape), "sha256": digest}

    def row(i: int) -> Mapping[str, Any]:
        truth, k = int(golden.samples.y[i]), golden.labels[i]
        return {
            "id": str(golden.samples.ids[i]),
            "source": golden.names[i],
            "expected": k,
            "expected_label": classes[k],
            "labeled": classes[truth] if 0 <= truth < len(classes) else None,
        }

    return {
        "schema": 1,
        "count": len(golden),
        "data": {
            "name": golden.dataset.name,
            "part": golden.part,
            "fingerprint": golden.dataset.fingerprint,
            "trained_on": golden.same_data,
        },
        "byte_order": "little",
        "order": "C",
        "inputs": array_entry("inputs.bin", golden.inputs),
        "outputs": array_entry("outputs.bin", golden.outputs),
        "comparison": golden.comparison,
        "vectors": [row(i) for i in range(len(golden))],
    }


def _part(dataset: Dataset) -> tuple[str, Split]:
    for name in _PARTS:
        split: Split = getattr(dataset, name)
        if len(split) >= LEAST:
            return name, split
    raise DataError(
        f"No part of {dataset.name} has {LEAST} samples, as needed for golden vectors; provide more with --data."
    )


def _balanced(y: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """The first samples of each class in turn: two of each or more, `LEAST` to `MOST` in total, in data-set order."""
    wanted = min(max(LEAST, _PER_CLASS * classes), MOST, len(y))
    place = np.zeros(len(y), np.int64)  # of each sample among those of its class
    for k in np.unique(y):
        mine = np.flatnonzero(y == k)
        place[mine] = np.arange(len(mine))
    return np.sort(np.lexsort((y, place))[:wanted])


def _kind(artifact: Artifact, raw: NDArray[Any]) -> Output:
    """The kind of output of a file without description: rows of probabilities sum to 1."""
    real = litert.dequantize(raw, artifact.outputs[0])
    step = artifact.outputs[0].scale * raw.shape[1]
    sums = np.abs(real.sum(axis=1) - 1).max()
    return "probabilities" if real.min() >= -1e-3 and sums <= 1e-3 + step else "logits"


def _kernels(subject: Subject) -> Kernels:
    """The kernels that the target uses, or the closest ones here."""
    if subject.kind == "onnx":
        return "onnxruntime"
    return "reference" if subject.kind == "mcu" else "xnnpack"


def _little(array: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
