"""The curation's files: selection.jsonl (hashed), scores.parquet and summary.json.

docs/methods.md, "Selection manifest"; the run folder: docs/architecture.md.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.runs.files import canonical_json
from edgekit.types import Decision, Edit, Selection


def selection_lines(ids: NDArray[np.str_], edits: Mapping[int, Edit], digest: Callable[[int], str] | None) -> bytes:
    """selection.jsonl: one canonical JSON line per edited sample, in data-set order; no header and no timestamp.

    old and new are labels for "drop" and "relabel", weights for "weight".
    """
    lines = [
        canonical_json(
            {
                "id": str(ids[i]),
                "sha256": digest(i) if digest else None,
                "action": edit.action,
                "old": edit.old,
                "new": round(edit.new, 6) if edit.action == "weight" and edit.new is not None else edit.new,
                "score": round(edit.score, 6),
                "reason": edit.reason,
            }
        )
        for i, edit in sorted(edits.items())
    ]
    return "".join(line + "\n" for line in lines).encode()


def selection_sha256(lines: bytes) -> str:
    """The digest that identifies a selection."""
    return hashlib.sha256(lines).hexdigest()


def scores_parquet(decision: Decision, labels: NDArray[np.int64]) -> bytes:
    """scores.parquet: `id`, `label`, a float column named after the method, and one for each member of a consensus."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {decision.scores.method: decision.scores.values, **decision.columns}
    table = pa.table({"id": pa.array(decision.scores.ids.astype(str)), "label": labels, **columns})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def injected(selection: Selection, flipped: Collection[str]) -> Mapping[str, Any]:
    """How the curation treated labels that were made wrong on purpose (ids `flipped`); it did not know which they were.

    Returns:
        count: how many there are. edited: how many were edited. recall: edited / count. precision: edited / all edits, None
        without edits.
    """
    edits, wrong = set(selection.edits), set(flipped)
    edited = len(edits & wrong)
    return {
        "count": len(wrong),
        "edited": edited,
        "recall": edited / len(wrong) if wrong else None,
        "precision": edited / len(edits) if edits else None,
    }


def summary(selection: Selection, classes: Sequence[str], fingerprint: str) -> Mapping[str, Any]:
    """summary.json: what decided, on which data, and the counts (also the `curation` part of report.json)."""
    facts = dict(selection.facts)
    before = sum(count for count, _ in selection.per_class)
    return {
        "method": selection.method,
        "params": dict(selection.params),
        "seed": selection.seed,
        "n_before": before,
        "n_kept": len(selection.kept),
        "n_dropped": len(selection.dropped),
        "n_relabeled": len(selection.relabeled),
        "n_weighted": sum(edit.action == "weight" for edit in selection.edits.values()),
        "removed_low": int(facts.pop("removed_low", 0) or 0),
        "removed_high": int(facts.pop("removed_high", 0) or 0),
        "per_class": {
            name: {"before": count, "kept": kept, "dropped": count - kept}
            for name, (count, kept) in zip(classes, selection.per_class, strict=True)
        },
        "held_back": {classes[k]: {"wanted": w, "taken": t} for k, (w, t) in selection.held_back.items()},
        "estimated_noise": facts.pop("estimated_noise", None),
        **facts,
        "selection_sha256": selection.sha256,
        "dataset_fingerprint": fingerprint,
        "warnings": list(selection.warnings),
        "versions": {name: version(name) for name in ("edgekit", "numpy")},
    }
