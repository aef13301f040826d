"""edgekit: curate, train, compress, export and measure small classifiers for edge devices, with evidence for each step.

The public API is resolved on first use (PEP 562), so that `import edgekit` costs nothing:

    import edgekit
    report = edgekit.build(edgekit.Recipe(), out="runs/first")
    selection = edgekit.curate(edgekit.Signals(ids=..., labels=..., classes=10, oof_probs=...), method="self-confidence")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.curation.api import curate
    from edgekit.errors import EdgekitError
    from edgekit.evidence.metrics import quality
    from edgekit.pipeline import build
    from edgekit.recipe import Recipe
    from edgekit.types import Report, Signals

_PUBLIC = {
    "build": "edgekit.pipeline:build",
    "curate": "edgekit.curation.api:curate",
    "quality": "edgekit.evidence.metrics:quality",
    "Recipe": "edgekit.recipe:Recipe",
    "Report": "edgekit.types:Report",
    "Signals": "edgekit.types:Signals",
    "EdgekitError": "edgekit.errors:EdgekitError",
}
__all__ = ["EdgekitError", "Recipe", "Report", "Signals", "build", "curate", "quality"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'edgekit' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
