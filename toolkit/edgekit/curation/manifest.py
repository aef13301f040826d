"""The curation's files: selection.jsonl (hashed), scores.parquet and summary.json (METHODS.md section 6, DESIGN.md 5)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from edgekit.data.fingerprint import sample_digest
from edgekit.store import canonical_json
from edgekit.types import Decision, Scores, Selection, Split


def selection_lines(train: Split, decision: Decision) -> bytes:
    """selection.jsonl: one canonical JSON line per edited sample, in data-set order; no header and no time inside."""
    values = decision.scores.values
    lines = [
        canonical_json(
            {
                "id": str(train.ids[i]),
                "sha256": sample_digest(train.x[i]),
                "action": "drop",
                "old": int(train.y[i]),
                "new": None,
                "score": round(float(values[i]), 6),
                "reason": reason,
            }
        )
        for i, reason in sorted(decision.drop.items())
    ]
    return "".join(line + "\n" for line in lines).encode()


def selection_sha256(lines: bytes) -> str:
    """The digest that names a selection."""
    return hashlib.sha256(lines).hexdigest()


def scores_parquet(scores: Scores, labels: np.ndarray) -> bytes:
    """scores.parquet: `id`, `label` and one float column named after the method (higher = more worth keeping)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"id": scores.ids.tolist(), "label": labels, scores.method: scores.values})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def summary(selection: Selection, train: Split) -> Mapping[str, Any]:
    """summary.json: what decided, on which data, and the counts (also the `curation` part of report.json)."""
    facts = dict(selection.facts)
    return {
        "method": selection.method,
        "params": dict(selection.params),
        "seed": selection.seed,
        "n_before": len(train),
        "n_kept": len(selection.kept),
        "n_dropped": len(selection.dropped),
        "removed_low": int(facts.pop("removed_low", 0) or 0),
        "removed_high": int(facts.pop("removed_high", 0) or 0),
        "per_class": {
            name: {"before": before, "kept": kept, "dropped": before - kept}
            for name, (before, kept) in selection.per_class.items()
        },
        "estimated_noise": facts.pop("estimated_noise", None),
        **facts,
        "selection_sha256": selection.sha256,
        "dataset_fingerprint": selection.fingerprint,
        "warnings": list(selection.warnings),
        "versions": {name: version(name) for name in ("edgekit", "numpy")},
    }
