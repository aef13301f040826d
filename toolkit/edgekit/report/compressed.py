"""What the report of a compression has beside that of a build: the model it started from, and what did not get better."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.types import Artifact, Evaluation, Measurement


def of_file(
    model: Mapping[str, Any],
    artifacts: Sequence[Artifact],
    shipped: Artifact,
    evaluations: Sequence[Evaluation],
    measurements: Sequence[Measurement],
    reused: Sequence[str],
) -> dict[str, Any]:
    """The keys that `edgekit compress` adds to a report.

    Args:
        model: the model that was given: file, framework, keras_version, input_range, macs, notes.
        artifacts: model_float32.tflite, of the model as it was given, first. reused: stages that came from the cache.
    """
    document = {
        "model": {**model, "params": artifacts[0].params},
        "measurements": [dataclasses.asdict(row) for row in measurements],
        "not_improved": not_improved(artifacts[0], shipped, evaluations, measurements),
        "reused_stages": list(reused),
    }
    plain: dict[str, Any] = json.loads(json.dumps(document, allow_nan=False, default=str))
    return plain


def not_improved(
    first: Artifact, last: Artifact, evaluations: Sequence[Evaluation], measurements: Sequence[Measurement]
) -> list[str]:
    """In which respects file `last` is not better than `first`, one sentence each."""
    if first is last:
        return ["nothing was compressed: the float32 file is the only one"]
    rows = {row.artifact: row for row in evaluations if row.split == "test"}
    before, after = rows[first.name], rows[last.name]
    sentences = []
    if last.size_bytes >= first.size_bytes:
        sentences.append(f"the file is not smaller: {last.size_bytes:,} bytes against {first.size_bytes:,}")
    if last.gzip_bytes >= first.gzip_bytes:
        sentences.append(f"it is not smaller after gzip either: {last.gzip_bytes:,} bytes against {first.gzip_bytes:,}")
    if after.accuracy < before.accuracy:
        points = 100 * (before.accuracy - after.accuracy)
        sentences.append(f"accuracy fell by {points:.2f} points on {after.n:,} test samples")
    return sentences + _latency(first, last, measurements)


def _latency(first: Artifact, last: Artifact, measurements: Sequence[Measurement]) -> list[str]:
    if not measurements:
        return ["latency was not measured: run `edgekit bench` to time the files"]
    before = {(row.target, row.threads): row for row in measurements if row.artifact == first.name}
    sentences = []
    for row in measurements:
        if row.artifact != last.name:
            continue
        where, other = f"on {row.target}, {row.threads} thread(s)", before[row.target, row.threads]
        if "invalid" in (row.verdict, other.verdict):
            reason = row.invalid_reason if row.verdict == "invalid" else other.invalid_reason
            sentences.append(f"latency {where} is not valid: {reason}")
        elif row.p50_ms >= other.p50_ms:
            sentences.append(f"latency {where} did not fall: {row.p50_ms:.3f} ms against {other.p50_ms:.3f}")
    return sentences
