"""Tables filled by a page's script, a hundred rows at a time: thousands of rows then cost text, not layout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekit.evidence.risk_coverage import RiskCoverage
from edgekit.report import page

# How a column is encoded: text; one of a few names, sent once; or a number with this many digits.
Kind = Literal["text", "name"] | int
_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a Listed. choices: the page offers a selection of its values."""

    name: str
    kind: Kind
    choices: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A table for the macro `rows` of parts.html.j2.

    json: the script's input, safe inside <script>. shown, total: rows included, and rows without the limit.
    elsewhere: a sentence on where to find the same without the script.
    """

    columns: Sequence[Column]
    json: str
    shown: int
    total: int
    elsewhere: str


def listed(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Any]],
    *,
    elsewhere: str = "The same is in report.json and the files of the run.",
    budget_bytes: int | None = None,
) -> Listed:
    """The first rows of `rows` that take at most `budget_bytes` as JSON; None and NaN are missing values."""
    names: dict[str, int] = {}
    sent: list[list[Any]] = []
    left = math.inf if budget_bytes is None else budget_bytes
    for row in rows:
        cells = [_cell(value, column.kind, names) for value, column in zip(row, columns, strict=True)]
        left -= sum(len(str(cell)) + 3 for cell in cells)
        if left < 0:
            break
        sent.append(cells)
    header = [{"name": c.name, "kind": c.kind} | ({"choices": True} if c.choices else {}) for c in columns]
    content = page.script_data({"columns": header, "names": list(names), "rows": sent})
    return Listed(columns=columns, json=content, shown=len(sent), total=len(rows), elsewhere=elsewhere)


def _cell(value: Any, kind: Kind, names: dict[str, int]) -> Any:
    if value is None:
        return None
    if kind == "text":
        return str(value)
    if kind == "name":
        return names.setdefault(str(value), len(names))
    if kind == 0:
        return int(value)
    number = float(value)
    return float(f"{number:.{_DIGITS}g}") if math.isfinite(number) else None


def epochs(training: Mapping[str, Mapping[str, Any]]) -> Listed:
    """Loss and accuracy of each network in report.json's `training`, after each evaluated epoch."""
    keys = ("loss", "val_loss", "accuracy", "val_accuracy")
    names = ("training loss", "validation loss", "training accuracy", "validation accuracy")
    rows = []
    for role, model in training.items():
        history = model["history"]
        numbers = map(int, history.get("epoch") or range(1, len(history["loss"]) + 1))
        rows += [(role, *row) for row in zip(numbers, *(history[key] for key in keys), strict=True)]
    columns = [Column(name="network", kind="name", choices=len(training) > 1), Column(name="epoch", kind=0)]
    return listed([*columns, *(Column(name=name, kind=4) for name in names)], rows)


def confusions(matrix: NDArray[np.int64], classes: Sequence[str]) -> Listed:
    """Every pair of true and predicted class that occurs, mistakes first, the most frequent ones at the top."""
    true, predicted = np.nonzero(matrix)
    counts = matrix[true, predicted]
    order = np.lexsort((predicted, true, -counts, true == predicted))
    totals = matrix.sum(axis=1)
    rows = [
        (classes[i], classes[j], matrix[i, j], 100 * matrix[i, j] / totals[i])
        for i, j in zip(true[order].tolist(), predicted[order].tolist(), strict=True)
    ]
    names = [Column(name=name, kind="name", choices=True) for name in ("true class", "answer")]
    header = [*names, Column(name="samples", kind=0), Column(name="% of the true class", kind=1)]
    return listed(header, rows, budget_bytes=400_000)


def reliability(panels: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]) -> Listed:
    """The bins of reliability diagrams: title -> name -> `edgekit.evidence.metrics.reliability_bins`."""
    rows = [
        (name, title, number, row["n"], row["confidence"], row["accuracy"])
        for title, lines in panels.items()
        for name, bins in lines.items()
        for number, row in enumerate(bins, start=1)
    ]
    names = [Column(name=name, kind="name", choices=True) for name in ("file", "probabilities")]
    whole = [Column(name=name, kind=0) for name in ("bin", "samples")]
    return listed([*names, *whole, *(Column(name=name, kind=4) for name in ("mean confidence", "accuracy"))], rows)


def risks(curves: Mapping[str, RiskCoverage]) -> Listed:
    """Risk at every twentieth of the coverage, for each file: the first point of its curve that accepts as much."""
    rows = []
    for name, curve in curves.items():
        coverage = curve.accepted / curve.n
        for share in range(5, 101, 5):
            place = min(int(np.searchsorted(coverage, share / 100 - 1e-9)), len(coverage) - 1)
            accepted, errors = curve.accepted[place], curve.errors[place]
            rows.append((name, 100 * coverage[place], accepted, errors, 100 * errors / accepted))
    columns = [Column(name="file", kind="name", choices=len(curves) > 1), Column(name="coverage, %", kind=2)]
    whole = [Column(name=name, kind=0) for name in ("accepted", "errors among them")]
    return listed([*columns, *whole, Column(name="risk, %", kind=2)], rows)


def differences(comparisons: Sequence[Mapping[str, Any]]) -> Listed:
    """A - B with its interval in every metric, of report.json's `comparisons` that have intervals."""
    rows = [
        (row["a"], row["b"], row["split"], metric, *(interval[name] for name in ("effect", "lower", "upper")))
        for row in comparisons
        for metric, interval in row.get("differences", {}).items()
    ]
    columns = [Column(name=name, kind="name", choices=name == "metric") for name in ("A", "B", "on", "metric")]
    return listed([*columns, *(Column(name=name, kind=6) for name in ("A − B", "95 % from", "to"))], rows)
