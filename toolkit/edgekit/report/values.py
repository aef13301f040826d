"""The values of a finished run, read back from its report.json; and its gates, judged again without a build."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from edgekit.errors import IntegrityError, UsageError
from edgekit.evidence import gates
from edgekit.runs import recorded
from edgekit.types import Artifact, Evaluation, Gate, Measurement, Report, TensorSpec

T = TypeVar("T")
_DROP, _POINTS = "max_drop<=", " points"


def artifacts(report: Report) -> list[Artifact]:
    """The files of the run, in the order they were made."""
    rows = []
    for row in report.document["artifacts"]:
        tensors = {
            name: tuple(_of(TensorSpec, each | {"shape": tuple(each["shape"])}) for each in row[name])
            for name in ("inputs", "outputs")
        }
        rows.append(_of(Artifact, row | {"path": _file(report, row["path"])} | tensors))
    return rows


def evaluations(report: Report) -> list[Evaluation]:
    """The quality of every file on val, cal and test."""
    return [
        _of(
            Evaluation,
            row | {"predictions": _file(report, row["predictions"]) if row["predictions"] is not None else None},
        )
        for row in report.document["evaluations"]
    ]


def measurements(report: Report) -> list[Measurement]:
    """The measurements on each target; the raw latencies are in bench/*.json, not here."""
    return [_of(Measurement, {"latencies_ns": (), **row}) for row in report.document["measurements"]]


def demands_of(report: Report) -> tuple[list[str], float | None]:
    """The gates that the run was judged by, and its maximum accuracy drop in points, if it set one."""
    texts, max_drop = [], None
    for row in report.document["gates"]:
        if row["demand"].startswith(_DROP) and row["demand"].endswith(_POINTS):
            max_drop = float(row["demand"].removeprefix(_DROP).removesuffix(_POINTS))
        else:
            texts.append(row["demand"])
    return texts, max_drop


def judge(report: Report, demands: Sequence[str] = (), max_drop: float | None = None) -> list[Gate]:
    """Judge a finished run by gates; without any, by its own ones again.

    Raises:
        UsageError: a gate that is malformed, on a target that the run was not measured on, or on a class that it does not know;
            or there is no gate at all.
        IntegrityError: report.json is incomplete.
    """
    if not demands and max_drop is None:
        demands, max_drop = demands_of(report)
    if not demands and max_drop is None:
        raise UsageError(f"{report.path} was built without a gate; pass one to judge it by, e.g. 'accuracy>=0.92'.")
    rows, failures = measurements(report), report.document.get("bench_failures", {})
    targets = list(dict.fromkeys([*(row.target for row in rows), *failures]))
    threads = sorted({row.threads for row in rows}) or (1,)
    gates.demanded(demands, targets, threads)
    gates.check_classes(demands, report.document["dataset"]["classes"])
    shipped = next((a for a in artifacts(report) if a.name == report.document["run"]["shipped"]), None)
    if shipped is None:
        raise IntegrityError(f"{report.path / 'report.json'} does not list the file that it calls shipped.")
    comparisons = report.document["comparisons"]
    return gates.check(demands, max_drop, shipped, evaluations(report), rows, comparisons, failures)


def _file(report: Report, name: object) -> Path:
    return recorded.inside(report.path, name, report.path / "report.json")


def _of(kind: type[T], row: Mapping[str, Any]) -> T:
    """A row of report.json as a value; keys unknown to this edgekit come from a newer one."""
    fields = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    try:
        return kind(**{name: row[name] for name in fields if name in row})
    except TypeError:
        missing = ", ".join(name for name in fields if name not in row)
        raise IntegrityError(
            f"report.json has a row of {kind.__name__} without {missing}; build the run again."
        ) from None
