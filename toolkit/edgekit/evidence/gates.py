"""Gates: demands on the shipped file, like "accuracy>=0.92" or "size_bytes<=40960", checked on validation and on the file."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping

from edgekit.errors import RecipeError, UnknownName
from edgekit.types import Gate

METRICS = ("accuracy", "nll", "brier", "ece", "aurc", "augrc", "size_bytes", "gzip_bytes", "p50_ms")
_OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
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
    demands: tuple[str, ...], max_drop: float | None, found: Mapping[str, float], where: str, drop: float
) -> list[Gate]:
    """Hold each demand against what was found.

    Args:
        max_drop: most percentage points of accuracy that quantization may cost, or None.
        found: metric -> value of the shipped file; a gate on a metric that is not there fails.
        where: the split that accuracy-like metrics were measured on.
        drop: percentage points lost from float32 to the shipped file on that split.
    """
    gates = []
    for demand in demands:
        metric, symbol, limit = parse(demand)
        value = found.get(metric)
        met = value is not None and bool(_OPERATORS[symbol](value, limit))
        gates.append(Gate(demand=demand, found=value, met=met, where=where))
    if max_drop is not None:
        gates.append(Gate(demand=f"max_drop<={max_drop:g} points", found=drop, met=drop <= max_drop, where=where))
    return gates
