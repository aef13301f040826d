"""Quality of a file, measured by running the file: predictions on a split, then the metrics of edgekit.evidence."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.bench import litert, onnxrt
from edgekit.evidence import metrics
from edgekit.types import Artifact, Evaluation, Images, Split


def predict(artifact: Artifact, x: Images) -> NDArray[np.float32]:
    """(N, H, W, C) images -> (N, K) float32 probabilities by the artifact's own runtime."""
    if artifact.format == "onnx":
        return onnxrt.probabilities(artifact.path, x)
    return litert.probabilities(artifact.path, x)


def evaluate(artifact: Artifact, split: Split, split_name: str, predictions: Path) -> tuple[Evaluation, bytes]:
    """Run the artifact on a split.

    Returns:
        The Evaluation, and the bytes of the .npz (ids, labels, probabilities) that belongs at `predictions`.
    """
    probabilities = predict(artifact, split.x)
    quality = metrics.quality(probabilities, split.y)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, ids=split.ids, labels=split.y, probabilities=probabilities)
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
