"""The page with the samples that a curation edited, and with the most suspicious ones that it left alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.curation.edits import suggested
from edgekit.report import curation_page
from edgekit.types import Dataset, Decision, Selection, Signals, Split

_SHOWN, _SHOWN_UNTOUCHED, _MOST_PER_CLASS, _SIDE = 1200, 400, 40, 64


def page(
    dataset: Dataset,
    known: Signals,
    selection: Selection,
    decision: Decision,
    edits: Mapping[int, Any],
    summary: Mapping[str, Any],
) -> str:
    """The gallery: edited samples with the lowest scores, and the lowest of each class that stayed as they were."""
    train, values = dataset.train, decision.scores.values
    shown = sorted(edits, key=lambda i: (float(values[i]), i))[:_SHOWN]
    untouched = np.setdiff1d(np.arange(len(train)), np.fromiter(edits, np.int64, len(edits)))
    for k in range(len(dataset.classes)):
        own = untouched[train.y[untouched] == k]
        most = min(_MOST_PER_CLASS, max(1, _SHOWN_UNTOUCHED // len(dataset.classes)))
        shown.extend(own[np.argsort(values[own], kind="stable")[:most]].tolist())
    rows = np.array(shown, np.int64)
    likely = suggested(known)
    samples = curation_page.Samples(
        images=_small(train, rows),
        ids=train.ids[rows].tolist(),
        given=train.y[rows],
        suggested=_new_labels(rows, edits, likely),
        columns={decision.scores.method: values[rows], **{n: column[rows] for n, column in decision.columns.items()}},
        actions=[edits[i].action if i in edits else "keep" for i in shown],
        reasons=[edits[i].reason if i in edits else "" for i in shown],
    )
    html: str = curation_page.render(
        samples,
        title=f"Curation {selection.method} of {dataset.name}",
        classes=dataset.classes,
        facts=_facts(summary),
        warnings=selection.warnings,
        per_class=selection.per_class,
    )
    return html


def _small(train: Split, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(n, h, w, C) uint8 pictures, of large images every so many pixels; a few large ones are in memory at a time."""
    step = max(1, -(-max(train.x.shape[1:3]) // (2 * _SIDE)))
    parts = [train.x[rows[start : start + 64]][:, ::step, ::step] for start in range(0, len(rows), 64)]
    images = np.concatenate(parts) if parts else train.x[:0]
    return images if images.dtype == np.uint8 else np.round(images * 255).astype(np.uint8)


def _facts(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the gallery's reader wants to know first."""
    noise = summary["estimated_noise"]
    facts = {
        "method": summary["method"],
        "kept": f"{summary['n_kept']:,} of {summary['n_before']:,}",
        "dropped": summary["n_dropped"],
        "relabeled": summary["n_relabeled"],
        "weighted": summary["n_weighted"],
        "labels_that_look_wrong": None if noise is None else f"{noise:.1%} ({summary['noise_basis']})",
        "number_decided_by": summary.get("cut"),
        "members": summary.get("members"),
        "validation_trusted": summary.get("validation_trusted"),
        "selection": summary["selection_sha256"][:12],
    }
    return {name: value for name, value in facts.items() if value is not None}


def _new_labels(
    rows: NDArray[np.int64], edits: Mapping[int, Any], likely: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    given = np.full(len(rows), -1, np.int64) if likely is None else likely[rows].copy()
    for position, i in enumerate(rows.tolist()):
        if i in edits and edits[i].action == "relabel":
            given[position] = int(edits[i].new)
    return given
