"""Gates: demands on a file, like "accuracy>=0.92", "size_kb<=40" or "p50_ms<=2@ssh://user@pi", and whether they hold.

Quality is judged on validation (`edgekit evaluate` on the split that it was given), size on the file, latency and memory at a
target with one thread. What was not measured, or not validly, counts as not met, and a gate says why.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit import addresses
from edgekit.errors import RecipeError, UnknownName
from edgekit.types import Artifact, Evaluation, Gate, Measurement

QUALITY = ("accuracy", "nll", "brier", "ece", "aurc", "augrc")
SIZES = {
    "size_bytes": ("size_bytes", 1),
    "size_kb": ("size_bytes", 1024),
    "gzip_bytes": ("gzip_bytes", 1),
    "gzip_kb": ("gzip_bytes", 1024),
}
LATENCIES = ("p50_ms", "p90_ms")
AT_TARGETS = (*LATENCIES, "peak_rss_mb")
METRICS = (*QUALITY, *SIZES, *AT_TARGETS)
_OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_SPLIT = "val"
_FORM = re.compile(r"\s*([a-z0-9_]+)\s*(>=|<=|>|<)\s*([-+0-9.eE]+)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A gate as it was written, and its parts. target: None = every target that is benched, of which the worst decides."""

    text: str
    metric: str
    symbol: str
    limit: float
    target: str | None = None

    def holds(self, value: float) -> bool:
        """Whether `value` is on the right side of the limit."""
        return bool(_OPERATORS[self.symbol](value, self.limit))

    def worst(self, values: Sequence[float]) -> int:
        """The index of the value that decides where several are judged."""
        return values.index(max(values) if self.symbol in ("<=", "<") else min(values))

    def settled(self, interval: tuple[float, float] | None) -> bool | None:
        """Whether the whole interval is on one side of the limit."""
        return None if interval is None else self.holds(interval[0]) == self.holds(interval[1])


def parse(text: str) -> Demand:
    """ "p50_ms<=2@ssh://user@pi" -> p50_ms, <=, 2 at ssh://user@pi: the target is what follows the first @.

    Raises:
        RecipeError: it is not of the form metric>=number[@target], or a metric has a target that has nothing to do with it.
        UnknownName: no such metric. UsageError: what follows the @ is no target.
    """
    head, at, target = text.partition("@")
    match, target = _FORM.fullmatch(head), target.strip()
    try:
        if match is None:
            raise ValueError
        limit = float(match[3])
        if not math.isfinite(limit):
            raise ValueError
    except ValueError:
        raise RecipeError(
            f"--gate {text!r} is not of the form metric>=number[@target], for example 'accuracy>=0.92' or "
            "'p50_ms<=2@ssh://user@pi'."
        ) from None
    metric = match[1]
    if metric not in METRICS:
        raise UnknownName("gate metric", metric, METRICS)
    if not at:
        return Demand(text=text, metric=metric, symbol=match[2], limit=limit)
    if metric not in AT_TARGETS:
        raise RecipeError(f"--gate {text!r}: {metric} is not judged at a target; leave out what follows the @.")
    if not target or addresses.parse(target).kind == "attached":
        raise RecipeError(
            f"--gate {text!r} names no target after the @: expected one such as host or ssh://user@pi; without the @, the "
            "worst of all targets decides."
        )
    return Demand(text=text, metric=metric, symbol=match[2], limit=limit, target=target)


def demanded(
    texts: Sequence[str],
    targets: Sequence[str],
    threads: Sequence[int] = (1,),
    *,
    measured: Collection[str] = METRICS,
    instead: str = "",
) -> list[Demand]:
    """The demands in `texts`, refused before any work where what they judge will not be measured.

    Args:
        targets: that are benched, as the user wrote them. threads: the thread counts that are timed there.
        measured: the metrics that the command measures. instead: what to do about others, for the message.

    Raises:
        RecipeError, UnknownName, UsageError: see `parse`; a metric that is not measured, a target that is not benched, or no
            timing with one thread, which is what a gate judges.
    """
    demands = [parse(text) for text in dict.fromkeys(texts)]
    for each in demands:
        told = f"--gate {each.text!r}: "
        if each.metric not in measured:
            raise RecipeError(f"{told}{each.metric} is not measured here{f'; {instead}' if instead else ''}.")
        if each.metric not in AT_TARGETS:
            continue
        if not targets:
            raise RecipeError(f"{told}nothing is benched; add --target {each.target or 'host'}.")
        if each.target is not None and each.target not in targets:
            close = difflib.get_close_matches(each.target, targets, n=1, cutoff=0.6)
            hint = f"Did you mean {close[0]!r}?" if close else f"Add --target {each.target}."
            raise RecipeError(f"{told}{each.target} is not benched; what is: {', '.join(targets)}. {hint}")
        if 1 not in threads:
            raise RecipeError(
                f"{told}a gate judges one thread, and the benchmark runs with {', '.join(map(str, threads))}; add 1."
            )
    return demands


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
            interval = _wilson(quality.accuracy, quality.n) if demand.metric == "accuracy" else None
            gates.append(_gate(demand, getattr(quality, demand.metric), quality.split, interval))
    return gates


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


def _wilson(accuracy: float, n: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    found = binomtest(round(accuracy * n), n).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)
