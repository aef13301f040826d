"""The figures of a study as self-contained SVG images (data URIs)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.report import plots

_COLORS = {"better": plots.BLUE, "worse": plots.ORANGE}


def forest(rows: Sequence[Mapping[str, Any]], percent: bool) -> str:
    """Effect and 95 % interval of each comparison, small dots for its RNG seeds; right of 0 the arm has the higher value.

    Args:
        rows: verdicts of one metric. percent: in percentage points.
    """
    figure, subplots = plots._figure(7.6, 1.0 + 0.42 * len(rows))
    axes = subplots()
    scale = 100 if percent else 1
    axes.axvline(0, color=plots.GRAY, linewidth=1)
    for position, row in enumerate(rows):
        color = _COLORS.get(row["verdict"], plots.INK)
        seeds = [scale * effect for effect in row["effects"]]
        # Beneath the interval, which would hide them.
        axes.plot(seeds, [position + 0.25] * len(seeds), "o", color=plots.GRAY, markersize=3)
        if row["lower"] is not None:
            axes.plot([scale * row["lower"], scale * row["upper"]], [position] * 2, color=color, linewidth=2)
        axes.plot([scale * row["effect"]], [position], "D", color=color, markersize=5)
    axes.set_yticks(range(len(rows)), [f"{row['arm']} − {row['control']}" for row in rows])
    axes.invert_yaxis()
    direction = "higher is better" if rows[0]["higher_is_better"] else "lower is better"
    unit = ", percentage points" if percent else ""
    axes.set_xlabel(f"effect on {rows[0]['metric']}{unit} ({direction})")
    return plots._uri(figure)
