"""Quality of a file, measured by running it: predictions on a split, then the metrics of edgekit.evidence.

If samples are segments of clips, clips are evaluated: a clip's probabilities are the mean of its segments'.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.splits import clips_of
from edgekit.evidence import metrics, temperature
from edgekit.evidence.by_class import by_class
from edgekit.inference import litert, onnxrt
from edgekit.runs import recorded
from edgekit.types import Artifact, Evaluation, Images, Output, Split


def outputs(artifact: Artifact, x: Images) -> NDArray[np.float32]:
    """(N, H, W, C) images -> (N, K) float32 with the artifact's own runtime: real numbers, in the units of `artifact.output`."""
    if artifact.format == "onnx":
        return onnxrt.outputs(artifact.path, x)
    return litert.outputs(artifact.path, x)


def predict(artifact: Artifact, x: Images) -> NDArray[np.floating[Any]]:
    """(N, H, W, C) images -> (N, K) probabilities with the artifact's own runtime: float32, or float64 from logits."""
    return temperature.probabilities(outputs(artifact, x), artifact.output)


def evaluate(
    artifact: Artifact, split: Split, split_name: str, predictions: Path, classes: Sequence[str]
) -> tuple[Evaluation, bytes]:
    """Run the artifact on a split, whose labels are indices into `classes`.

    Returns:
        The Evaluation, and the bytes of the .npz (ids, labels, probabilities; logits, if the file outputs them) to be written to
        `predictions`; for segments, the ids are those of the clips.
    """
    ids, labels, raw = judged(split, outputs(artifact, split.x), artifact.output)
    probabilities = temperature.probabilities(raw, artifact.output)
    buffer = io.BytesIO()
    arrays = {"ids": ids, "labels": labels, "probabilities": probabilities}
    if artifact.output == "logits":
        arrays["logits"] = raw
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    evaluation = evaluation_of(artifact, split_name, probabilities, labels, classes, predictions)
    return evaluation, buffer.getvalue()


def evaluation_of(
    artifact: Artifact,
    split_name: str,
    probabilities: NDArray[np.floating[Any]],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    predictions: Path | None = None,
) -> Evaluation:
    """The metrics of the artifact's (N, K) probabilities for samples with (N,) labels, which are indices into `classes`."""
    quality = metrics.quality(probabilities, labels)
    return Evaluation(
        artifact=artifact.name,
        artifact_sha256=artifact.sha256,
        split=split_name,
        predictions=predictions,
        per_class=by_class(probabilities.argmax(axis=1), labels, len(classes)).named(classes),
        **dataclasses.asdict(quality),
    )


def judged(
    split: Split, raw: NDArray[np.float32], output: Output
) -> tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.floating[Any]]]:
    """(ids, labels, outputs) of the units to evaluate: the samples, or the clips that they are segments of.

    Args:
        raw: (N, K) outputs of the samples of `split`, in the units of `output`.

    Returns:
        M <= N rows in data-set order, in the same units; a clip has the label of its first segment.
    """
    if split.clip is None:
        return split.ids, split.y, raw
    first, clip = clips_of(split)
    return split.clip[first], split.y[first], pooled(raw, clip, output)


def pooled(raw: NDArray[np.floating[Any]], clip: NDArray[np.int64], output: Output) -> NDArray[np.floating[Any]]:
    """(N, K) outputs of segments -> (M, K) of clips, whose probabilities are the means of their segments'.

    Args:
        clip: (N,) number of each row's clip; every number from 0 to M - 1 occurs.
        output: the units of `raw` and of what is returned; logits are the logarithms of the means.
    """
    if output == "probabilities":
        return means(raw, clip)
    p = _means(temperature.probabilities(raw, output), clip)
    return np.log(np.maximum(p, np.finfo(np.float64).tiny)).astype(np.float32)


def means(rows: NDArray[np.floating[Any]], clip: NDArray[np.int64]) -> NDArray[np.float32]:
    """(N, D) -> (M, D) float32 means of the rows of each clip; clip: (N,) from 0 to M - 1."""
    return _means(rows, clip).astype(np.float32)


def _means(rows: NDArray[np.floating[Any]], clip: NDArray[np.int64]) -> NDArray[np.float64]:
    total = np.zeros((int(clip.max()) + 1 if len(clip) else 0, rows.shape[1]), np.float64)
    np.add.at(total, clip, rows)
    means: NDArray[np.float64] = total / np.bincount(clip)[:, None]
    return means


def predictions_of(artifact: str, split: str) -> str:
    """Where a run folder stores the predictions of a file on a split."""
    return f"evaluation/{artifact}{'' if split == 'test' else f'.{split}'}.predictions.npz"


def stored_predictions(run: Path, artifact: str, split: str = "test") -> Path:
    """That file in the folder `run`. Raises IntegrityError if the artifact's name leads out of the run."""
    return recorded.inside(run, predictions_of(artifact, split), run / "report.json")


def load_predictions(path: Path) -> tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.float32]]:
    """(ids, labels, probabilities) of a predictions file."""
    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:  # numpy leaves a damaged file open
        return file["ids"], file["labels"], file["probabilities"]


def load_logits(path: Path) -> NDArray[np.float32] | None:
    """(N, K) dequantized logits of a predictions file; None if the file output probabilities."""
    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
        logits: NDArray[np.float32] | None = file.get("logits")
        return logits
