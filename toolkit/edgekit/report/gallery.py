"""Thumbnails of removed samples: which are shown, kept in the run so that the report can be rebuilt without the data."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.types import Dataset, Selection

_PER_CLASS = 8


def collect(dataset: Dataset, selection: Selection) -> bytes:
    """The bytes of curation/gallery.npz: per class the removed samples with the lowest scores, at most eight."""
    train = dataset.train
    dropped = selection.dropped
    rows = np.flatnonzero(np.isin(train.ids, list(dropped))).tolist()
    rows.sort(key=lambda i: dropped[str(train.ids[i])].score)
    chosen = [i for k in range(len(dataset.classes)) for i in [r for r in rows if train.y[r] == k][:_PER_CLASS]]
    buffer = io.BytesIO()
    x = train.x[chosen]
    np.savez_compressed(
        buffer,
        x=x if x.dtype == np.uint8 else np.round(x * 255).astype(np.uint8),
        ids=train.ids[chosen].astype(str),
        labels=train.y[chosen],
        scores=np.array([dropped[str(train.ids[i])].score for i in chosen], np.float32),
        reasons=np.array([dropped[str(train.ids[i])].reason for i in chosen], str),
    )
    return buffer.getvalue()


def thumbnails(path: Path, classes: list[str]) -> list[dict[str, Any]]:
    """Per class with removed samples: {"name", "images": [{"id", "src" (PNG data URI), "score", "reason"}]}."""
    from PIL import Image

    if not path.exists():
        return []
    with np.load(path, allow_pickle=False) as file:
        x, ids, labels, scores, reasons = (file[key] for key in ("x", "ids", "labels", "scores", "reasons"))
    groups: dict[int, list[dict[str, Any]]] = {}
    for image, name, label, score, reason in zip(x, ids, labels, scores, reasons, strict=True):
        buffer = io.BytesIO()
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image[..., :3])
        picture.save(buffer, "PNG", optimize=True)
        source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
        groups.setdefault(int(label), []).append(
            {"id": str(name), "src": source, "score": float(score), "reason": str(reason)}
        )
    return [{"name": classes[k], "images": groups[k]} for k in sorted(groups)]
