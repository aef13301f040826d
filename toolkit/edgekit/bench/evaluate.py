"""Quality of a file, measured by running the file: predictions on a split, then the metrics of edgekit.evidence."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bench import litert, onnxrt
from edgekit.evidence import metrics, temperature
from edgekit.types import Artifact, Evaluation, Images, Split


def outputs(artifact: Artifact, x: Images) -> NDArray[np.float32]:
    """(N, H, W, C) images -> (N, K) float32 by the artifact's own runtime: real numbers, in the units of `artifact.output`."""
    if artifact.format == "onnx":
        return onnxrt.outputs(artifact.path, x)
    return litert.outputs(artifact.path, x)


def predict(artifact: Artifact, x: Images) -> NDArray[np.floating[Any]]:
    """(N, H, W, C) images -> (N, K) probabilities by the artifact's own runtime: float32, float64 of logits."""
    return temperature.probabilities(outputs(artifact, x), artifact.output)


def evaluate(artifact: Artifact, split: Split, split_name: str, predictions: Path) -> tuple[Evaluation, bytes]:
    """Run the artifact on a split.

    Returns:
        The Evaluation, and the bytes of the .npz (ids, labels, probabilities; logits, if the file gives them) that belongs at
        `predictions`.
    """
    raw = outputs(artifact, split.x)
    probabilities = temperature.probabilities(raw, artifact.output)
    quality = metrics.quality(probabilities, split.y)
    buffer = io.BytesIO()
    arrays = {"ids": split.ids, "labels": split.y, "probabilities": probabilities}
    if artifact.output == "logits":
        arrays["logits"] = raw
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    evaluation = Evaluation(
        artifact=artifact.name,
        artifact_sha256=artifact.sha256,
        split=split_name,
        predictions=predictions,
        **dataclasses.asdict(quality),
    )
    return evaluation, buffer.getvalue()


def predictions_of(artifact: str, split: str) -> str:
    """Where a run folder holds the predictions of a file on a split."""
    return f"evaluation/{artifact}{'' if split == 'test' else f'.{split}'}.predictions.npz"


def load_predictions(path: Path) -> tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.float32]]:
    """(ids, labels, probabilities) of a predictions file."""
    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:  # numpy leaves a damaged one open
        return file["ids"], file["labels"], file["probabilities"]


def load_logits(path: Path) -> NDArray[np.float32] | None:
    """(N, K) dequantized logits of a predictions file; None where the file gave probabilities."""
    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
        found: NDArray[np.float32] | None = file.get("logits")
        return found
