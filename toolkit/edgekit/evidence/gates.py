"""Gates: whether a file meets its requirements; `edgekit.evidence.demand` describes how they are written.

Quality is judged on validation (for `edgekit evaluate` on the given split), size on the file, latency and memory on a
target with one thread. Anything not measured, or not validly measured, counts as not met, and the gate says why.
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
    """Check each requirement against the shipped file: its metrics on val (never test), size, one-thread latency and memory.

    Args:
        max_drop: maximum drop of val accuracy from model_float32.tflite, in percentage points, or None. The drop itself
            decides; its interval, from the comparison of kind "max_drop", shows how certain that is.
        evaluations: those of all files; other splits are ignored.
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
    """Check each requirement against one file.

    Args:
        quality: that of the file, on the split to judge it on. rows: measurements of this file only.
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
    """Judge a metric of the file itself; a metric without samples, or missing in a report of an older version, is not met."""
    known, where = counts_of(quality.per_class), quality.split
    if demand.metric == RECALL:
        row = quality.per_class.get(demand.label or "")
        if row is not None and not row["n"]:
            return _missing(demand, where, f"no sample of {where} is of that class")
        if row is not None:
            few = f"too few samples of that class to judge it (n = {row['n']})" if row["n"] < FEWEST else None
            return _gate(demand, row["recall"], where, wilson(row["recall"], row["n"]), few)
        value = None
    else:
        value = getattr(quality, demand.metric)
    if value is None:
        return _missing(
            demand, where, "the report was written by an older edgekit without this metric; build the run again"
        )
    interval = None
    if demand.metric == "accuracy":
        interval = wilson(value, quality.n)
    elif demand.metric == "balanced_accuracy" and known:
        interval = mean_interval(known)
    return _gate(demand, value, where, interval)


def _gate(
    demand: Demand, value: float, where: str, interval: tuple[float, float] | None = None, note: str | None = None
) -> Gate:
    return Gate(
        demand=demand.text,
        found=value,
        met=demand.holds(value),
        where=where,
        interval=interval,
        settled=demand.settled(interval),
        note=note,
    )


def _missing(demand: Demand, where: str, note: str | None) -> Gate:
    return Gate(demand=demand.text, found=None, met=False, where=where, note=note)


def _at_target(demand: Demand, rows: Sequence[Measurement], failures: Collection[str]) -> Gate:
    """Judge the worst target, or the named one; one that could not be measured, or not validly, decides immediately."""
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
            f"the latency on {bad[0].target} is not valid: {bad[0].invalid_reason or 'no reason given'}",
        )
    values = [_value(row, demand.metric) for row in own]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        target = own[values.index(None)].target
        return _missing(demand, target, f"the runner on {target} does not report {demand.metric}")
    row = own[demand.worst(known)]
    interval = row.p50_interval_ms if demand.metric == "p50_ms" else None
    note = None
    if timed and row.emulated:  # not trusted, so never met without a note
        note = "emulated: this latency is meaningless"
    elif timed and row.verdict == "suspect":
        note = f"suspect: {row.invalid_reason or 'no reason given'}"
    return _gate(demand, known[demand.worst(known)], row.target, interval, note)


def _value(row: Measurement, metric: str) -> float | None:
    if metric == "peak_rss_mb":
        return None if row.peak_rss_bytes is None else row.peak_rss_bytes / 1024**2
    value: float | None = getattr(row, metric)
    return value
