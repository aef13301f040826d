"""A gate's requirement, as written: "accuracy>=0.92", "recall:cat>=0.8" or "p50_ms<=2@ssh://user@pi"."""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import RecipeError, UnknownName
from edgekit.recipe import addresses

RECALL = "recall"
QUALITY = ("accuracy", "balanced_accuracy", "macro_f1", RECALL, "nll", "brier", "ece", "aurc", "augrc")
# From 0 to 1: a limit such as 95, meant as a percentage, would never, or always, be met.
_SHARES = frozenset(QUALITY) - {"nll", "brier"}
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
_LIMIT = r"\s*(?P<symbol>>=|<=|>|<)\s*(?P<limit>[-+0-9.eE]+)\s*"
_FORM = re.compile(r"\s*(?P<metric>[a-z0-9_]+)" + _LIMIT)
# A class may have any name, even "a>=1@b": it ends where the last comparison with a number starts.
_OF_CLASS = re.compile(r"\s*(?P<metric>[a-z0-9_]+)\s*:\s*(?P<label>.*\S)" + _LIMIT, re.DOTALL)
_HAS_CLASS = re.compile(r"\s*[a-z0-9_]+\s*:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A gate as written, and its parts. target: None = every target that is benchmarked, of which the worst decides.

    label: the class whose recall is judged.
    """

    text: str
    metric: str
    symbol: str
    limit: float
    target: str | None = None
    label: str | None = None

    def holds(self, value: float) -> bool:
        """Whether `value` meets the limit."""
        return bool(_OPERATORS[self.symbol](value, self.limit))

    def worst(self, values: Sequence[float]) -> int:
        """The index of the value that decides if several are judged."""
        return values.index(max(values) if self.symbol in ("<=", "<") else min(values))

    def settled(self, interval: tuple[float, float] | None) -> bool | None:
        """Whether the whole interval is on one side of the limit."""
        return None if interval is None else self.holds(interval[0]) == self.holds(interval[1])


def parse(text: str) -> Demand:
    """ "p50_ms<=2@ssh://user@pi" -> p50_ms, <=, 2 at ssh://user@pi: the target is what follows the first @.

    "recall:a cat>=0.8" -> recall, >=, 0.8 of the class "a cat": what is between the first colon and the last comparison, without
    the spaces around it.

    RecipeError: it has neither form, a metric is combined with a class or a target that does not apply to it, or the limit is
        outside 0 to 1 for a metric that is a share.
    UnknownName: no such metric. UsageError: what follows the @ is not a target.
    """
    if _HAS_CLASS.match(text):
        at = target = ""
        match = _OF_CLASS.fullmatch(text)
    else:
        head, at, target = text.partition("@")
        match, target = _FORM.fullmatch(head), target.strip()
    try:
        if match is None:
            raise ValueError
        limit = float(match["limit"])
        if not math.isfinite(limit):
            raise ValueError
    except ValueError:
        raise RecipeError(
            f"--gate {text!r} is not of the form metric>=number[@target] or recall:CLASS>=number, for example "
            "'accuracy>=0.92' or 'p50_ms<=2@ssh://user@pi'."
        ) from None
    metric, symbol, label = match["metric"], match["symbol"], match.groupdict().get("label")
    if metric not in METRICS:
        raise UnknownName("gate metric", metric, METRICS)
    if (metric == RECALL) != (label is not None):
        wrong = f"{metric} does not apply to one class; recall does" if label else "recall applies to one class"
        raise RecipeError(f"--gate {text!r}: {wrong}: recall:CLASS>=number.")
    if metric in _SHARES and not 0 <= limit <= 1:
        meant = f"; did you mean {limit / 100:g}?" if 1 < limit <= 100 else "."
        raise RecipeError(f"--gate {text!r}: {metric} is a share from 0 to 1, found {limit:g}{meant}")
    if not at:
        return Demand(text=text, metric=metric, symbol=symbol, limit=limit, label=label)
    if metric not in AT_TARGETS:
        raise RecipeError(f"--gate {text!r}: {metric} does not apply to a target; remove the @ and what follows it.")
    if not target or addresses.parse(target).kind == "attached":
        raise RecipeError(
            f"--gate {text!r} names no target after the @: expected one such as host or ssh://user@pi; without the @, the "
            "worst of all targets decides."
        )
    return Demand(text=text, metric=metric, symbol=symbol, limit=limit, target=target)


def demanded(
    texts: Sequence[str],
    targets: Sequence[str],
    threads: Sequence[int] = (1,),
    *,
    measured: Collection[str] = METRICS,
    instead: str = "",
) -> list[Demand]:
    """The requirements in `texts`, refused before any work if what they judge will not be measured.

    Args:
        targets: those to be benchmarked, as the user wrote them. threads: the thread counts that are timed there.
        measured: the metrics that the command measures. instead: what to do about others, for the message.

    Raises:
        RecipeError, UnknownName, UsageError: see `parse`; also a metric that is not measured, a target that is not benchmarked,
            or no timing with one thread, which is what a gate judges.
    """
    demands = [parse(text) for text in dict.fromkeys(texts)]
    for each in demands:
        prefix = f"--gate {each.text!r}: "
        if each.metric not in measured:
            raise RecipeError(f"{prefix}{each.metric} is not measured here{f'; {instead}' if instead else ''}.")
        if each.metric not in AT_TARGETS:
            continue
        if not targets:
            raise RecipeError(f"{prefix}no target is benchmarked; add --target {each.target or 'host'}.")
        if each.target is not None and each.target not in targets:
            close = difflib.get_close_matches(each.target, targets, n=1, cutoff=0.6)
            hint = f"Did you mean {close[0]!r}?" if close else f"Add --target {each.target}."
            raise RecipeError(
                f"{prefix}{each.target} is not benchmarked; the targets are: {', '.join(targets)}. {hint}"
            )
        if 1 not in threads:
            raise RecipeError(
                f"{prefix}a gate judges one thread, and the benchmark runs with {', '.join(map(str, threads))}; add 1."
            )
    return demands


def check_classes(texts: Sequence[str], classes: Sequence[str], labels: NDArray[np.int64] | None = None) -> None:
    """Refuse a requirement on the recall of a class that does not exist, or that has no samples to judge by.

    Args:
        labels: (N,) of the samples that will be judged, indices into `classes`; None = unknown.

    Raises:
        UnknownName, RecipeError
    """
    for each in map(parse, texts):
        if each.label is None:
            continue
        if each.label not in classes:
            raise UnknownName("class in a gate,", each.label, classes)
        if labels is not None and not (labels == classes.index(each.label)).any():
            raise RecipeError(
                f"--gate {each.text!r} cannot be judged: none of the {len(labels):,} samples that gates are judged on is of that "
                "class. Hold out more (data.val_fraction), provide a validation part yourself, or remove the gate."
            )
