"""labels.txt and metadata.json: all an app must know to feed a file and read its answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.types import Artifact, Dataset


def labels_txt(dataset: Dataset) -> str:
    """One class name a line, in the order of the outputs."""
    return "".join(f"{name}\n" for name in dataset.classes)


def metadata(dataset: Dataset, artifacts: Sequence[Artifact]) -> Mapping[str, Any]:
    """The content of metadata.json."""
    return {
        "schema": 1,
        "classes": list(dataset.classes),
        "preprocessing": {
            "contract": dataset.input.preprocessing,
            "shape": list(dataset.input.shape),
            "layout": "NHWC",
            "range": [0.0, 1.0],
            "quantized_inputs": "q = clip(round(real / scale) + zero_point)",
        },
        "output": {"kind": "softmax", "quantized_outputs": "real = (q - zero_point) * scale"},
        "artifacts": {
            artifact.name: {
                "sha256": artifact.sha256,
                "format": artifact.format,
                "precision": artifact.precision,
                "inputs": [dataclasses.asdict(spec) for spec in artifact.inputs],
                "outputs": [dataclasses.asdict(spec) for spec in artifact.outputs],
            }
            for artifact in artifacts
        },
    }
