"""Gates: demands on the shipped file, like "accuracy>=0.92" or "size_bytes<=40960", checked on validation and on the file."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.errors import RecipeError, UnknownName
from edgekit.types import Artifact, Evaluation, Gate, Measurement

METRICS = ("accuracy", "nll", "brier", "ece", "aurc", "augrc", "size_bytes", "gzip_bytes", "p50_ms")
_OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_SPLIT = "val"
_FORM = re.compile(r"\s*([a-z0-9_]+)\s*(>=|<=|>|<)\s*([-+0-9.eE]+)\s*")


def parse(demand: str) -> tuple[str, str, float]:
    """ "accuracy>=0.92" -> ("accuracy", ">=", 0.92).

    Raises:
        RecipeError: it is not of the form metric>=number.
        UnknownName: no such metric.
    """
    match = _FORM.fullmatch(demand)
    try:
        if match is None:
            raise ValueError
        limit = float(match[3])
    except ValueError:
        raise RecipeError(
            f"--gate {demand!r} is not of the form metric>=number, for example 'accuracy>=0.92'."
        ) from None
    if match[1] not in METRICS:
        raise UnknownName("gate metric", match[1], METRICS)
    return match[1], match[2], limit


def check(
    demands: tuple[str, ...],
    max_drop: float | None,
    shipped: Artifact,
    evaluations: Sequence[Evaluation],
    measurements: Sequence[Measurement],
    comparisons: Sequence[Mapping[str, Any]] = (),
) -> list[Gate]:
    """Hold each demand against the shipped file: its metrics on val (never test), its size, its one-thread latency.

    p50_ms is that of the slowest target. Where one target's latency is not valid there is none; suspect ones count.

    Args:
        max_drop: most percentage points of val accuracy that the file may lose to model_float32.tflite, or None. The drop
            itself decides; its interval, from the comparison of kind "max_drop", tells how sure that is.
        evaluations: of all files; those on other splits are not looked at.
    """
    on_val = {row.artifact: row for row in evaluations if row.split == _SPLIT}
    quality = on_val[shipped.name]
    found: dict[str, float] = {name: getattr(quality, name) for name in METRICS if hasattr(quality, name)}
    found |= {"size_bytes": shipped.size_bytes, "gzip_bytes": shipped.gzip_bytes}
    timed = [row for row in measurements if row.artifact == shipped.name and row.threads == 1]
    if timed and all(row.verdict != "invalid" for row in timed):
        found["p50_ms"] = max(row.p50_ms for row in timed)
    gates = []
    for demand in demands:
        metric, symbol, limit = parse(demand)
        value = found.get(metric)
        met = value is not None and bool(_OPERATORS[symbol](value, limit))
        gates.append(Gate(demand=demand, found=value, met=met, where=_SPLIT))
    if max_drop is not None:
        # Rounded, so that exactly half a point is half a point.
        drop = round(100 * (on_val["model_float32.tflite"].accuracy - quality.accuracy), 6)
        row = next((row["differences"]["accuracy"] for row in comparisons if row["kind"] == "max_drop"), None)
        interval = None if row is None else (-100 * row["upper"], -100 * row["lower"])
        settled = None if interval is None else not interval[0] <= max_drop < interval[1]
        demand = f"max_drop<={max_drop:g} points"
        gates.append(
            Gate(demand=demand, found=drop, met=drop <= max_drop, where=_SPLIT, interval=interval, settled=settled)
        )
    return gates
