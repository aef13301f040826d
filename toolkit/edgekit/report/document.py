"""The content of report.json, schema 1 (DESIGN.md section 5): keys are added, never renamed, within a schema."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from edgekit.data.described import described
from edgekit.environment import environment
from edgekit.errors import EdgekitError
from edgekit.recipe import Recipe
from edgekit.types import Artifact, Dataset, Evaluation, Gate, Measurement, TrainedModel

SCHEMA = 1


def assemble(
    *,
    run: str,
    recipe: Recipe,
    dataset: Dataset,
    curation: Mapping[str, Any],
    models: Mapping[str, TrainedModel | None],
    artifacts: Sequence[Artifact],
    evaluations: Sequence[Evaluation],
    measurements: Sequence[Measurement],
    failures: Mapping[str, EdgekitError],
    comparisons: Sequence[Mapping[str, Any]],
    gates: Sequence[Gate],
    verdict: Mapping[str, Any],
    cross_validation: Mapping[str, Any] | None = None,
    reliability: Mapping[str, Any],
    compression: Mapping[str, Any],
    parity: Mapping[str, Any],
    timings: Mapping[str, float],
    reused: Sequence[str],
    untrained: Mapping[str, str],
) -> dict[str, Any]:
    """Put the values of one run together. Paths are relative to the run folder; numbers come from the final files."""
    document = {
        "schema": SCHEMA,
        "run": {
            "name": run,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "shipped": [a.name for a in artifacts if a.format == "tflite"][-1],
            **environment(),
        },
        "recipe": recipe.model_dump(mode="json"),
        "dataset": described(dataset) | {"default": recipe.data.spec == Recipe().data.spec},
        "curation": dict(curation),
        "training": {role: _model(model) for role, model in models.items() if model},
        "artifacts": [_artifact(artifact) for artifact in artifacts],
        "evaluations": [
            dataclasses.asdict(row) | {"predictions": f"evaluation/{row.predictions.name}" if row.predictions else None}
            for row in evaluations
        ],
        "measurements": [_measurement(row, parity) for row in measurements],
        "bench_failures": {target: str(error) for target, error in failures.items()},
        "comparisons": list(comparisons),
        "parity": dict(parity),
        "compression": dict(compression),
        "gates": [dataclasses.asdict(gate) for gate in gates],
        "verdict": dict(verdict),
        **({"cross_validation": dict(cross_validation)} if cross_validation else {}),
        "reliability": dict(reliability),
        "timings": dict(timings),
        "reused_stages": list(reused),
        "untrained": dict(untrained),
    }
    # As it will be read back: a document is the same whether it was just made or comes from disk.
    plain: dict[str, Any] = json.loads(json.dumps(document, allow_nan=False))
    return plain


def told_on(document: Mapping[str, Any]) -> str:
    """The split that a report's figures are of: "test", or "cv" where cross-validation stands for it."""
    return "test" if any(row["split"] == "test" for row in document.get("evaluations", ())) else "cv"


def _model(model: TrainedModel) -> dict[str, Any]:
    return dataclasses.asdict(model) | {"path": f"models/{model.path.name}"}


def _artifact(artifact: Artifact) -> dict[str, Any]:
    return dataclasses.asdict(artifact) | {"path": f"artifacts/{artifact.name}"}


def _measurement(row: Measurement, parity: Mapping[str, Any]) -> dict[str, Any]:
    # The raw latencies stay in bench/<slug>.json. Parity of the host's files is that of their export.
    values = {key: value for key, value in dataclasses.asdict(row).items() if key != "latencies_ns"}
    if row.target != "host":
        return values
    return values | {"parity": parity.get(row.artifact)}
