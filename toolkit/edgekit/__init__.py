"""edgekit: curate, train, compress, export and measure small classifiers for edge devices, with evidence for each step.

The public API is resolved on first use (PEP 562), so that `import edgekit` costs nothing (docs/python.md):

    import edgekit
    recipe = edgekit.load_recipe(values={"curation.method": "iqr", "gates": ["size_kb<=100"]})
    report = edgekit.build(recipe, out="runs/first")
    selection = edgekit.curate(edgekit.Signals(ids=..., labels=..., classes=10, oof_probs=...), method="self-confidence")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.api import build, compress, describe, evaluate, judge, load_data, load_recipe, measure, open_run
    from edgekit.curation.api import curate
    from edgekit.errors import EdgekitError, GateNotMet
    from edgekit.evidence.metrics import quality
    from edgekit.recipe import Recipe
    from edgekit.types import (
        Artifact,
        Dataset,
        Evaluation,
        Gate,
        Measurement,
        Report,
        Selection,
        Signals,
        Silent,
    )

# No name of a submodule may be here: importing the submodule would replace the function.
_PUBLIC = {
    "build": "edgekit.api:build",
    "compress": "edgekit.api:compress",
    "curate": "edgekit.curation.api:curate",
    "describe": "edgekit.api:describe",
    "evaluate": "edgekit.api:evaluate",
    "judge": "edgekit.api:judge",
    "load_data": "edgekit.api:load_data",
    "load_recipe": "edgekit.api:load_recipe",
    "measure": "edgekit.api:measure",
    "open_run": "edgekit.api:open_run",
    "quality": "edgekit.evidence.metrics:quality",
    "Artifact": "edgekit.types:Artifact",
    "Dataset": "edgekit.types:Dataset",
    "EdgekitError": "edgekit.errors:EdgekitError",
    "Evaluation": "edgekit.types:Evaluation",
    "Gate": "edgekit.types:Gate",
    "GateNotMet": "edgekit.errors:GateNotMet",
    "Measurement": "edgekit.types:Measurement",
    "Recipe": "edgekit.recipe:Recipe",
    "Report": "edgekit.types:Report",
    "Selection": "edgekit.types:Selection",
    "Signals": "edgekit.types:Signals",
    "Silent": "edgekit.types:Silent",
}
__all__ = [
    "Artifact",
    "Dataset",
    "EdgekitError",
    "Evaluation",
    "Gate",
    "GateNotMet",
    "Measurement",
    "Recipe",
    "Report",
    "Selection",
    "Signals",
    "Silent",
    "build",
    "compress",
    "curate",
    "describe",
    "evaluate",
    "judge",
    "load_data",
    "load_recipe",
    "measure",
    "open_run",
    "quality",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'edgekit' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
