"""The result of a command, in the form continuous integration needs; junit.py and step_summary.py write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.evidence.by_class import UNEVEN, imbalance
from edgekit.report import classes
from edgekit.report.document import reported_split
from edgekit.report.integrity import Check, checks
from edgekit.types import Evaluation, Gate, Measurement, Report

_HEADINGS = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "nll": "NLL",
    "ece": "ECE",
    "augrc": "AUGRC",
}
_OF_UNEVEN = ("balanced_accuracy", "macro_f1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text, with headings."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The results of `edgekit <command>` for `subject`, a run or some files.

    gates: (file, gate) of each gate. unjudged: gates of a command that ended before it could judge them. checks: integrity
    checks. error: the error the command ended with, other than a missed gate. remarks: one sentence each. run: its folder.
    """

    command: str
    subject: str
    files: Table | None = None
    gates: Sequence[tuple[str, Gate]] = ()
    unjudged: Sequence[str] = ()
    checks: Sequence[Check] = ()
    error: BaseException | None = None
    remarks: Sequence[str] = ()
    run: Path | None = None
    seconds: float = 0.0
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return self.error is None and all(g.met for _, g in self.gates) and not any(c.problem for c in self.checks)


def of_report(report: Report, gates: Sequence[Gate] | None = None) -> dict[str, Any]:
    """The fields of an Outcome that come from a run. gates: judged again; None = as in the report."""
    document = report.document
    shipped = document["run"]["shipped"]
    judged = [Gate(**row) for row in document["gates"]] if gates is None else gates
    remarks = [f"Shipped: {shipped}."]
    if uneven := classes.uneven(document):
        test = classes.shipped_test(document)
        averages = f"balanced accuracy {test['balanced_accuracy']:.4f}, macro F1 {test['macro_f1']:.4f}"
        remarks.append(
            f"Classes are uneven ({uneven}): {'; '.join([averages, *classes.recall_lines(test['per_class'])])}."
        )
    if verdict := document.get("verdict"):
        remarks.append(f"Verdict on the curation {document['curation']['method']!r}: {verdict['verdict']}.")
        if verdict["next"]:
            remarks.append(f"Next step: {verdict['next']}.")
    remarks += [f"Not improved: {line}." for line in document.get("not_improved", ())]
    return {
        "files": _files(document),
        "gates": [(shipped, gate) for gate in judged],
        "checks": checks(report.path, document),
        "remarks": remarks,
        "run": report.path,
        "facts": {
            "run": document["run"]["name"],
            "shipped": shipped,
            "dataset": document["dataset"]["fingerprint"],
            **{f"sha256 of {row['name']}": row["sha256"] for row in document["artifacts"]},
        },
    }


def _files(document: Mapping[str, Any]) -> Table:
    split = reported_split(document)
    on_test = {row["artifact"]: row for row in document["evaluations"] if row["split"] == split}
    names = [name for name in _HEADINGS if name not in _OF_UNEVEN or classes.uneven(document)]
    rows = []
    for row in document["artifacts"]:
        test = on_test[row["name"]]
        latencies = [latency(m) for m in document["measurements"] if m["artifact"] == row["name"]]
        figures = [f"{test[name]:.4f}" for name in ("accuracy", *names)]
        sizes = [f"{row[name] / 1024:,.1f}" for name in ("size_bytes", "gzip_bytes")]
        rows.append([row["name"], *sizes, *figures, "; ".join(latencies) or "not measured"])
    n = max((row["n"] for row in on_test.values()), default=0)
    prefix = "test" if split == "test" else "cross-validated"
    quality = [f"{prefix} accuracy (n = {n:,})", *(_HEADINGS[name] for name in names)]
    headings = ["file", "KB", "gzip KB", *quality, "p50 ms at target (threads)"]
    return Table(headings=headings, rows=rows)


def latency(row: Mapping[str, Any]) -> str:
    """ "1.23 at host (1)", and its validity if it is not valid."""
    state = "emulated" if row["emulated"] else row["verdict"]
    return f"{row['p50_ms']:.4g} at {row['target']} ({row['threads']})" + ("" if state == "valid" else f" {state}")


def of_evaluations(rows: Sequence[Evaluation]) -> Table:
    """The files evaluated by `edgekit evaluate`."""
    uneven = any(imbalance(each["n"] for each in row.per_class.values()) >= UNEVEN for row in rows)
    names = ("accuracy", *(_OF_UNEVEN if uneven else ()), "nll", "brier", "ece", "aurc", "augrc")
    return Table(
        headings=["file", "split", "n", *names],
        rows=[
            [row.artifact, row.split, f"{row.n:,}", *(f"{getattr(row, name):.4f}" for name in names)] for row in rows
        ],
    )


def of_measurements(rows: Sequence[Measurement]) -> Table:
    """The measurements of `edgekit bench`."""
    lines = []
    for row in rows:
        low, high = row.p50_interval_ms
        memory = "" if row.peak_rss_bytes is None else f"{row.peak_rss_bytes / 1024**2:.0f}"
        state = "emulated" if row.emulated else row.verdict
        accuracy = "" if row.accuracy is None else f"{row.accuracy:.4f}"
        cells = [f"{row.p50_ms:.4g}", f"{low:.4g} to {high:.4g}", "" if row.p90_ms is None else f"{row.p90_ms:.4g}"]
        lines.append([row.artifact, row.target, str(row.threads), *cells, memory, accuracy, state])
    return Table(
        headings=[
            "file",
            "target",
            "threads",
            "p50 ms",
            "95 % interval",
            "p90 ms",
            "peak RSS MB",
            "accuracy",
            "latency is",
        ],
        rows=lines,
    )
