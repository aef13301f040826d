"""What may be said of a method, given the evidence there is.

One RNG seed compares two files, not two methods: a paired sign-flip test over S seeds cannot go below p = 2/2^S, so at
least six are needed for p < .05 (METHODS.md section 2.10).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LEAST_SEEDS = 6


def on_method(method: str, seeds: int) -> Mapping[str, Any]:
    """The verdict on a curation method after `seeds` paired RNG seeds, and the next step."""
    if method == "none":
        return {"verdict": "nothing to judge: no curation", "seeds": seeds, "next": None}
    return {
        "verdict": f"no evidence ({seeds} seed{'s' if seeds != 1 else ''})",
        "seeds": seeds,
        "next": (
            f"at least {LEAST_SEEDS} paired RNG seeds against random removal of the same size: "
            "build with --control and another --seed each time (`edgekit study` will do this in a coming version)"
        ),
    }
