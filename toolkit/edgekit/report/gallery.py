"""Thumbnails of removed samples: selected and kept in the run so that the report can be rebuilt without the data."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.report import thumbnails as pictures
from edgekit.types import Dataset, Selection

_PER_CLASS, _MOST, _BYTES = 8, 240, 1_200_000


def collect(dataset: Dataset, selection: Selection) -> bytes:
    """The bytes of curation/gallery.npz: per class the removed samples with the lowest scores: eight, fewer with many classes."""
    train = dataset.train
    dropped = selection.dropped
    rows = np.flatnonzero(np.isin(train.ids, list(dropped))).tolist()
    rows.sort(key=lambda i: dropped[str(train.ids[i])].score)
    most = min(_PER_CLASS, max(1, _MOST // len(dataset.classes)))
    chosen = [i for k in range(len(dataset.classes)) for i in [r for r in rows if train.y[r] == k][:most]]
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        x=pictures.small(train.x, np.array(chosen, np.int64), sound=dataset.input.front_end is not None),
        ids=train.ids[chosen].astype(str),
        labels=train.y[chosen],
        scores=np.array([dropped[str(train.ids[i])].score for i in chosen], np.float32),
        reasons=np.array([dropped[str(train.ids[i])].reason for i in chosen], str),
    )
    return buffer.getvalue()


def thumbnails(path: Path, classes: list[str]) -> list[dict[str, Any]]:
    """Per class with removed samples: {"name", "images": [{"id", "src" (data URI), "score", "reason"}]}; 240 at most."""
    if not path.exists():
        return []
    with np.load(path, allow_pickle=False) as file:
        x, ids, labels, scores, reasons = (file[key] for key in ("x", "ids", "labels", "scores", "reasons"))
    groups: dict[int, list[dict[str, Any]]] = {}
    sources = pictures.uris(x[:_MOST], _BYTES)
    for source, name, label, score, reason in zip(sources, ids, labels, scores, reasons, strict=False):
        groups.setdefault(int(label), []).append(
            {"id": str(name), "src": source, "score": float(score), "reason": str(reason)}
        )
    return [{"name": classes[k], "images": groups[k]} for k in sorted(groups)]
