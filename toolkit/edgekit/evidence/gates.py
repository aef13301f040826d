"""Gates: whether demands on a file hold; `edgekit.evidence.demand` says how they are written.

Quality is judged on validation (`edgekit evaluate` on the split that it was given), size on the file, latency and memory at a
target with one thread. What was not measured, or not validly, counts as not met, and a gate says why.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from edgekit.evidence.by_class import FEWEST, counts_of
from edgekit.evidence.demand import (
    AT_TARGETS,
    LATENCIES,
    METRICS,
    QUALITY,
    RECALL,
    SIZES,
    Demand,
    check_classes,
    demanded,
    parse,
)
from edgekit.evidence.proportion import mean_interval, wilson
from edgekit.types import Artifact, Evaluation, Gate, Measurement

__all__ = [
    "AT_TARGETS",
    "METRICS",
    "QUALITY",
    "SIZES",
    "Demand",
    "check",
    "check_classes",
    "demanded",
    "judge",
    "parse",
]

_SPLIT = "val"


def check(
    demands: Sequence[str],
    max_drop: float | None,
    shipped: Artifact,
    evaluations: Sequence[Evaluation],
    measurements: Sequence[Measurement],
    comparisons: Sequence[Mapping[str, Any]] = (),
    failures: Collection[str] = (),
) -> list[Gate]:
    """Hold each demand against the shipped file: its metrics on val (never test), its size, its one-thread latency and memory.

    Args:
        max_drop: most percentage points of val accuracy that the file may lose to model_float32.tflite, or None. The drop
            itself decides; its interval, from the comparison of kind "max_drop", tells how sure that is.
        evaluations: of all files; those on other splits are not looked at.
        failures: targets that could not be measured.
    """
    on_val = {row.artifact: row for row in evaluations if row.split == _SPLIT}
    quality = on_val[shipped.name]
    rows = [row for row in measurements if row.artifact == shipped.name]
    gates = judge([parse(text) for text in dict.fromkeys(demands)], shipped, quality, rows, failures)
    if max_drop is not None:
        # Rounded, so that exactly half a point is half a point.
        drop = round(100 * (on_val["model_float32.tflite"].accuracy - quality.accuracy), 6)
        row = next((row["differences"]["accuracy"] for row in comparisons if row["kind"] == "max_drop"), None)
        interval = None if row is None else (-100 * row["upper"], -100 * row["lower"])
        demand = Demand(text=f"max_drop<={max_drop:g} points", metric="max_drop", symbol="<=", limit=max_drop)
        gates.append(_gate(demand, drop, _SPLIT, interval))
    return gates


def judge(
    demands: Sequence[Demand],
    file: Artifact,
    quality: Evaluation | None,
    rows: Sequence[Measurement],
    failures: Collection[str] = (),
) -> list[Gate]:
    """Hold each demand against one file.

    Args:
        quality: of the file, on the split to judge it by. rows: measurements of this file alone.
        failures: targets that could not be measured.
    """
    gates = []
    for demand in demands:
        if demand.metric in SIZES:
            name, unit = SIZES[demand.metric]
            gates.append(_gate(demand, getattr(file, name) / unit, "file"))
        elif demand.metric in AT_TARGETS:
            gates.append(_at_target(demand, rows, failures))
        elif quality is None:
            gates.append(_missing(demand, "file", None))
        else:
            gates.append(_of_quality(demand, quality))
    return gates


def _of_quality(demand: Demand, quality: Evaluation) -> Gate:
    """Of the file's own metrics; what no sample tells, or a report of an older version does not, is not met."""
    known, where = counts_of(quality.per_class), quality.split
    if demand.metric == RECALL:
        row = quality.per_class.get(demand.label or "")
        if row is not None and not row["n"]:
            return _missing(demand, where, f"no sample of {where} is of that class")
        if row is not None:
            few = f"too few samples of that class to judge it by (n = {row['n']})" if row["n"] < FEWEST else None
            return _gate(demand, row["recall"], where, wilson(row["recall"], row["n"]), few)
        found = None
    else:
        found = getattr(quality, demand.metric)
    if found is None:
        return _missing(demand, where, "the report is of an older edgekit, which did not tell it; build the run again")
    interval = None
    if demand.metric == "accuracy":
        interval = wilson(found, quality.n)
    elif demand.metric == "balanced_accuracy" and known:
        interval = mean_interval(known)
    return _gate(demand, found, where, interval)


def _gate(
    demand: Demand, found: float, where: str, interval: tuple[float, float] | None = None, note: str | None = None
) -> Gate:
    return Gate(
        demand=demand.text,
        found=found,
        met=demand.holds(found),
        where=where,
        interval=interval,
        settled=demand.settled(interval),
        note=note,
    )


def _missing(demand: Demand, where: str, note: str | None) -> Gate:
    return Gate(demand=demand.text, found=None, met=False, where=where, note=note)


def _at_target(demand: Demand, rows: Sequence[Measurement], failures: Collection[str]) -> Gate:
    """Of the worst target, or of the one that is named; one that could not be measured, or not validly, decides at once."""
    where = demand.target or "all targets"
    if failed := [target for target in failures if demand.target in (None, target)]:
        return _missing(demand, where, f"{failed[0]} could not be measured")
    own = [row for row in rows if row.threads == 1 and demand.target in (None, row.target)]
    if not own:
        return _missing(demand, where, None)
    timed = demand.metric in LATENCIES
    if bad := [row for row in own if timed and row.verdict == "invalid"]:
        return _missing(
            demand,
            bad[0].target,
            f"the latency on {bad[0].target} is not valid: {bad[0].invalid_reason or 'no reason told'}",
        )
    values = [_value(row, demand.metric) for row in own]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        target = own[values.index(None)].target
        return _missing(demand, target, f"what runs the file on {target} does not tell {demand.metric}")
    row = own[demand.worst(known)]
    interval = row.p50_interval_ms if demand.metric == "p50_ms" else None
    note = None
    if timed and row.emulated:  # believed by none, so never met in silence
        note = "emulated: such a latency means nothing"
    elif timed and row.verdict == "suspect":
        note = f"suspect: {row.invalid_reason or 'no reason told'}"
    return _gate(demand, known[demand.worst(known)], row.target, interval, note)


def _value(row: Measurement, metric: str) -> float | None:
    if metric == "peak_rss_mb":
        return None if row.peak_rss_bytes is None else row.peak_rss_bytes / 1024**2
    value: float | None = getattr(row, metric)
    return value
