"""The data's entry in report.json."""

from __future__ import annotations

from typing import Any

from edgekit.types import Dataset


def described(dataset: Dataset) -> dict[str, Any]:
    """Name, source, fingerprint, classes, the model's input, and the samples of each split, as plain JSON values."""
    return {
        "name": dataset.name,
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
        "classes": list(dataset.classes),
        "input_shape": list(dataset.input.shape),
        "preprocessing": dataset.input.preprocessing,
        "noun": dataset.input.noun,
        "sizes": {part: len(getattr(dataset, part)) for part in ("train", "val", "cal", "test")},
    }
