"""study.html: a whole study on one page, from study.json alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.report import page, study_plots

_PERCENT = ("accuracy",)


def render(document: Mapping[str, Any]) -> str:
    """The page of a study's document (study.json)."""
    forests = []
    rows = [row for row in document["verdicts"] if row["effect"] is not None]
    for artifact, metric in dict.fromkeys((row["artifact"], row["metric"]) for row in rows):
        own = [row for row in rows if (row["artifact"], row["metric"]) == (artifact, metric)]
        alt = "; ".join(
            f"{row['arm']} minus {row['control']}: {row['effect']:+.4g}"
            + (f" ({row['lower']:+.4g} to {row['upper']:+.4g})" if row["lower"] is not None else "")
            for row in own
        )
        forests.append((f"{metric}, {artifact}", study_plots.forest(own, metric in _PERCENT), alt))
    return page.fill(
        "study.html.j2",
        d=document,
        forests=forests,
        number=_number,
        flops=_flops,
        counts={
            status: sum(run["status"] == status for run in document["runs"])
            for status in ("complete", "failed", "not run", "not needed")
        },
    )


def _number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _flops(value: float) -> str:
    for name, unit in (("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if value >= unit:
            return f"{value / unit:,.3g} {name}FLOP"
    return f"{value:,.0f} FLOP"
