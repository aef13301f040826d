"""report.json of `edgekit compress`, and what it says did not get better."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edgekit.compression.user_model import UserModel
from edgekit.data.described import described
from edgekit.environment import environment
from edgekit.errors import EdgekitError
from edgekit.recipe import Recipe
from edgekit.types import Artifact, Dataset, Evaluation, Gate, Measurement

SCHEMA = 1


def document(
    *,
    run: str,
    recipe: Recipe,
    dataset: Dataset,
    user: UserModel,
    model_path: Path,
    compression: Mapping[str, Any],
    shipped: Artifact,
    artifacts: Sequence[Artifact],
    evaluations: Sequence[Evaluation],
    measurements: Sequence[Measurement],
    failures: Mapping[str, EdgekitError],
    comparisons: Sequence[Mapping[str, Any]],
    gates: Sequence[Gate],
    reliability: Mapping[str, Any],
    parity: Mapping[str, Any],
    timings: Mapping[str, float],
) -> dict[str, Any]:
    """The content of report.json, as plain JSON values.

    Args:
        run: the folder's name. compression: what pruning, quantization and each file's export told.
        artifacts: model_float32.tflite, of the model as it was given, first.
    """
    made = {
        "schema": SCHEMA,
        "run": {
            "name": run,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "shipped": shipped.name,
            **environment(),
        },
        "recipe": recipe.model_dump(mode="json"),
        "dataset": described(dataset),
        "model": {
            "file": model_path.name,
            "framework": user.framework,
            "keras_version": user.keras_version,
            "input_range": user.input_range,
            "params": artifacts[0].params,
            "macs": user.macs,
            "notes": list(user.notes),
        },
        "compression": compression,
        "artifacts": [dataclasses.asdict(a) | {"path": f"artifacts/{a.name}"} for a in artifacts],
        "evaluations": [
            dataclasses.asdict(row) | {"predictions": f"evaluation/{row.predictions.name}" if row.predictions else None}
            for row in evaluations
        ],
        "measurements": [dataclasses.asdict(row) for row in measurements],
        "bench_failures": {target: str(error) for target, error in failures.items()},
        "comparisons": comparisons,
        "not_improved": not_improved(artifacts[0], shipped, evaluations, measurements),
        "gates": [dataclasses.asdict(gate) for gate in gates],
        "reliability": reliability,
        "parity": parity,
        "timings": timings,
    }
    plain: dict[str, Any] = json.loads(json.dumps(made, allow_nan=False, default=str))
    return plain


def not_improved(
    first: Artifact, last: Artifact, evaluations: Sequence[Evaluation], measurements: Sequence[Measurement]
) -> list[str]:
    """What file `last` is not better in than `first`, one sentence each."""
    if first is last:
        return ["nothing was compressed: the float32 file is the only one"]
    rows = {row.artifact: row for row in evaluations if row.split == "test"}
    before, after = rows[first.name], rows[last.name]
    told = []
    if last.size_bytes >= first.size_bytes:
        told.append(f"the file is not smaller: {last.size_bytes:,} bytes against {first.size_bytes:,}")
    if last.gzip_bytes >= first.gzip_bytes:
        told.append(f"nor after gzip: {last.gzip_bytes:,} bytes against {first.gzip_bytes:,}")
    if after.accuracy < before.accuracy:
        points = 100 * (before.accuracy - after.accuracy)
        told.append(f"accuracy fell by {points:.2f} points on {after.n:,} test samples")
    return told + _latency(first, last, measurements)


def _latency(first: Artifact, last: Artifact, measurements: Sequence[Measurement]) -> list[str]:
    if not measurements:
        return ["latency was not measured: `edgekit bench` times the files"]
    before = {(row.target, row.threads): row for row in measurements if row.artifact == first.name}
    told = []
    for row in measurements:
        if row.artifact != last.name:
            continue
        where, other = f"on {row.target}, {row.threads} thread(s)", before[row.target, row.threads]
        if "invalid" in (row.verdict, other.verdict):
            reason = row.invalid_reason if row.verdict == "invalid" else other.invalid_reason
            told.append(f"latency {where} is not valid: {reason}")
        elif row.p50_ms >= other.p50_ms:
            told.append(f"latency {where} did not fall: {row.p50_ms:.3f} ms against {other.p50_ms:.3f}")
    return told
