"""What the run of a bundled file measured: its accuracy, and its latency with its validity."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edgekit.bundle.subject import Subject
from edgekit.errors import IntegrityError


def measured(subject: Subject) -> tuple[str, ...]:
    """Sentences for the README of a bundle; none if there is no report.json next to the file.

    Raises:
        IntegrityError: report.json is damaged.
    """
    if subject.origin is None or not (path := subject.origin / "report.json").is_file():
        return ()
    try:
        report = json.loads(path.read_text())
        name = subject.artifact.name
        tests = [row for row in report["evaluations"] if row["artifact"] == name and row["split"] == "test"]
        rows = [row for row in report["measurements"] if row["artifact"] == name]
        noun = report["dataset"].get("noun", "samples")
        accuracies = [f"{100 * row['accuracy']:.2f} % of {row['n']:,} test {noun} correct." for row in tests]
        latencies = [_latency(row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{path} is damaged ({type(error).__name__}: {error}).") from None
    return (*accuracies, *(latencies or ["Its latency was not measured."]))


def _latency(row: Mapping[str, Any]) -> str:
    where = f"on {row['target']} with {row['threads']} thread{'' if row['threads'] == 1 else 's'}"
    if row["emulated"]:
        return f"Latency {where}: emulated, which says nothing about a device."
    if row["verdict"] == "invalid":
        return f"Latency {where}: not valid ({row['invalid_reason']})."
    doubt = f", {row['verdict']} ({row['invalid_reason']})" if row["verdict"] != "valid" else ", valid"
    return f"Latency {where}: {row['p50_ms']:.3g} ms (median){doubt}."
