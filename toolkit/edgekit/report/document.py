"""The content of report.json, schema 1 (docs/architecture.md): keys are added, never renamed, within a schema."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from edgekit.data.described import described
from edgekit.errors import EdgekitError
from edgekit.recipe import Recipe
from edgekit.runs.environment import environment
from edgekit.types import Artifact, Dataset, Evaluation, Gate, Measurement, TrainedModel

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contents:
    """What the report of a build and that of a compression have in common. run: the folder's name.

    artifacts: the .tflite that ships last of its kind. failures: targets that could not be measured. compression: what each step
    and each file's export says.
    """

    run: str
    recipe: Recipe
    dataset: Dataset
    artifacts: Sequence[Artifact]
    evaluations: Sequence[Evaluation]
    measurements: Sequence[Measurement]
    failures: Mapping[str, EdgekitError]
    comparisons: Sequence[Mapping[str, Any]]
    gates: Sequence[Gate]
    reliability: Mapping[str, Any]
    compression: Mapping[str, Any]
    parity: Mapping[str, Any]
    timings: Mapping[str, float]


def assemble(values: Contents) -> dict[str, Any]:
    """Put the values of one run together. Paths are relative to the run folder; numbers come from the final files."""
    recipe = values.recipe
    return _plain(
        {
            "schema": SCHEMA,
            "run": {
                "name": values.run,
                "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "shipped": [a.name for a in values.artifacts if a.format == "tflite"][-1],
                **environment(),
            },
            "recipe": recipe.model_dump(mode="json"),
            "dataset": described(values.dataset) | {"default": recipe.data.spec == Recipe().data.spec},
            "artifacts": [_artifact(artifact) for artifact in values.artifacts],
            "evaluations": [_evaluation(row) for row in values.evaluations],
            "measurements": [_measurement(row, values.parity) for row in values.measurements],
            "bench_failures": {target: str(error) for target, error in values.failures.items()},
            "comparisons": list(values.comparisons),
            "parity": dict(values.parity),
            "compression": dict(values.compression),
            "gates": [dataclasses.asdict(gate) for gate in values.gates],
            "reliability": dict(values.reliability),
            "timings": dict(values.timings),
        }
    )


def of_build(
    *,
    curation: Mapping[str, Any],
    models: Mapping[str, TrainedModel | None],
    verdict: Mapping[str, Any],
    cross_validation: Mapping[str, Any] | None,
    reused: Sequence[str],
    untrained: Mapping[str, str],
) -> dict[str, Any]:
    """What the report of a build has beside `assemble`'s."""
    return _plain(
        {
            "curation": dict(curation),
            "training": {role: _model(model) for role, model in models.items() if model},
            "verdict": dict(verdict),
            **({"cross_validation": dict(cross_validation)} if cross_validation else {}),
            "reused_stages": list(reused),
            "untrained": dict(untrained),
        }
    )


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """As it will be read back: a document is the same whether it was just made or comes from disk."""
    plain: dict[str, Any] = json.loads(json.dumps(document, allow_nan=False, default=str))
    return plain


def reported_split(document: Mapping[str, Any]) -> str:
    """The split of a report's figures: "test", or "cv" if cross-validation replaces it."""
    return "test" if any(row["split"] == "test" for row in document.get("evaluations", ())) else "cv"


def _model(model: TrainedModel) -> dict[str, Any]:
    return dataclasses.asdict(model) | {"path": f"models/{model.path.name}"}


def _artifact(artifact: Artifact) -> dict[str, Any]:
    return dataclasses.asdict(artifact) | {"path": f"artifacts/{artifact.name}"}


def _evaluation(row: Evaluation) -> dict[str, Any]:
    return dataclasses.asdict(row) | {"predictions": f"evaluation/{row.predictions.name}" if row.predictions else None}


def _measurement(row: Measurement, parity: Mapping[str, Any]) -> dict[str, Any]:
    # The raw latencies stay in bench/<slug>.json. The parity of the host's files is that of their export.
    values = {key: value for key, value in dataclasses.asdict(row).items() if key != "latencies_ns"}
    if row.target != "host":
        return values
    return values | {"parity": parity.get(row.artifact)}
