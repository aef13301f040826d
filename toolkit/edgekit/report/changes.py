"""The outcome of each test sample: right or wrong by the shipped file, and what changed against the float file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.splits import clips_of
from edgekit.inference.evaluate import load_predictions, predictions_of, stored_predictions
from edgekit.report import thumbnails
from edgekit.report.numbers import Column, Listed, listed
from edgekit.types import Dataset

FLOAT = "model_float32.tflite"
PICTURES = "evaluation/changed.npz"
_MOST_PICTURES = 60
_ROWS_BYTES, _PICTURES_BYTES = 1_500_000, 600_000
# In listing order.
_OUTCOMES = ("lost", "changed, both wrong", "wrong", "won", "right")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Changes:
    """Predictions of the shipped file on test, next to those of the float file if that is a different one.

    ids (N,) str, labels (N,). answer, before: (N,) classes. confidence, confidence_before: (N,) of those predictions, in [0, 1].
    outcome: (N,) indices into _OUTCOMES; lost = only the float file is right, won = only the shipped one.
    """

    name: str
    quantized: bool
    split: str
    ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    answer: NDArray[np.int64]
    confidence: NDArray[np.float64]
    before: NDArray[np.int64]
    confidence_before: NDArray[np.float64]
    outcome: NDArray[np.int64]

    @property
    def changed(self) -> NDArray[np.int64]:
        """Samples whose prediction changed: lost, both wrong, won; within each, highest confidence of the float file first."""
        rows = np.flatnonzero(self.answer != self.before)
        ordered: NDArray[np.int64] = rows[np.lexsort((rows, -self.confidence_before[rows], self.outcome[rows]))]
        return ordered

    def count(self, outcome: str) -> int:
        """How many samples have this outcome: one of _OUTCOMES."""
        return int((self.outcome == _OUTCOMES.index(outcome)).sum())


def load(root: Path, shipped: str, split: str = "test") -> Changes:
    """The predictions on test in the run folder `root`, or those of the folds ("cv")."""
    ids, labels, p = load_predictions(stored_predictions(root, shipped, split))
    _, _, q = load_predictions(stored_predictions(root, FLOAT, split)) if shipped != FLOAT else (ids, labels, p)
    answer, before = p.argmax(axis=1), q.argmax(axis=1)
    right, was = answer == labels, before == labels
    outcome = np.select([was & ~right, ~right & ~was & (answer != before), ~right, right & ~was], [0, 1, 2, 3], 4)
    return Changes(
        name=shipped, quantized=shipped != FLOAT, split=split, ids=ids, labels=labels, answer=answer, before=before,
        confidence=p.max(axis=1).astype(np.float64), confidence_before=q.max(axis=1).astype(np.float64), outcome=outcome,
    )  # fmt: skip


def per_class(changes: Changes, classes: Sequence[str]) -> list[dict[str, Any]]:
    """One row per class: name, n, right (of the shipped file), right_before, lost and won, all counted in samples."""
    rows = []
    for k, name in enumerate(classes):
        own = changes.labels == k
        right, was = changes.answer[own] == k, changes.before[own] == k
        counts = {"n": own, "right": right, "right_before": was, "lost": was & ~right, "won": right & ~was}
        rows.append({"name": name} | {key: int(mask.sum()) for key, mask in counts.items()})
    return rows


def samples(changes: Changes, classes: Sequence[str]) -> Listed:
    """Every test sample, first what changed and what is wrong; if there are very many, only as many as keep the page small."""
    order = np.lexsort((-changes.confidence, changes.outcome))
    fields = [changes.answer, changes.confidence] + (
        [changes.before, changes.confidence_before] if changes.quantized else []
    )
    rows = [
        (changes.ids[i], classes[changes.labels[i]], *_readable(fields, i, classes), _OUTCOMES[changes.outcome[i]])
        for i in order.tolist()
    ]
    names = ["answer", "confidence", "float answer", "float confidence"][: len(fields)]
    columns = [Column(name="id", kind="text"), Column(name="true class", kind="name", choices=True)]
    columns += [
        Column(name=name, kind=4 if "confidence" in name else "name", choices=name == "answer") for name in names
    ]
    columns += [Column(name="outcome", kind="name", choices=True)]
    where = f"{predictions_of(changes.name, changes.split)} in the run folder has the same."
    return listed(columns, rows, elsewhere=where, budget_bytes=_ROWS_BYTES)


def _readable(fields: Sequence[NDArray[Any]], row: int, classes: Sequence[str]) -> list[Any]:
    return [classes[values[row]] if values.dtype.kind == "i" else values[row] for values in fields]


def collect(dataset: Dataset, changes: Changes) -> bytes:
    """The bytes of evaluation/changed.npz: pictures of the first samples whose prediction changed, at most sixty.

    For clips cut into segments, the first segment.
    """
    test = dataset.test
    first, _ = clips_of(test)
    rows = changes.changed[:_MOST_PICTURES]
    x = thumbnails.small(test.x, first[rows], sound=dataset.input.front_end is not None)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=x, ids=changes.ids[rows].astype(str))
    return buffer.getvalue()


def pictures(root: Path, changes: Changes, classes: Sequence[str]) -> list[dict[str, Any]]:
    """The content of evaluation/changed.npz of a run, with the files' predictions; nothing for a run without it."""
    if not (root / PICTURES).exists():
        return []
    with np.load(root / PICTURES, allow_pickle=False) as file:
        x, ids = file["x"], file["ids"]
    place = {str(name): i for i, name in enumerate(changes.ids)}
    rows = [place[str(name)] for name in ids]
    return [
        {
            "id": str(changes.ids[i]),
            "src": source,
            "label": classes[changes.labels[i]],
            "before": classes[changes.before[i]],
            "confidence_before": float(changes.confidence_before[i]),
            "answer": classes[changes.answer[i]],
            "confidence": float(changes.confidence[i]),
            "outcome": _OUTCOMES[changes.outcome[i]],
        }
        for i, source in zip(rows, thumbnails.uris(x, _PICTURES_BYTES), strict=True)
    ]
