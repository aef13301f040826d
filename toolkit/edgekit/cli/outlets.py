"""--junit and --summary: what a command found, written down for continuous integration, also where it failed."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.errors import GateNotMet, UsageError
from edgekit.types import Gate, Report

GateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--gate",
        metavar="DEMAND",
        help="Such as 'accuracy>=0.92', 'recall:CLASS>=0.8' (on validation), 'size_kb<=40' or 'p50_ms<=2@ssh://user@pi'; exit "
        "code 7 if missed.",
    ),
]
Junit = Annotated[
    Path | None,
    typer.Option("--junit", metavar="FILE.xml", help="Write gates and integrity checks as JUnit XML, a failure too."),
]
Summary = Annotated[
    Path | None,
    typer.Option(
        "--summary",
        metavar="FILE.md",
        help="Write files, gates and verdict as Markdown; in a GitHub workflow they are in the step's summary anyway.",
    ),
]
_STEP = "GITHUB_STEP_SUMMARY"


class Told:
    """What a command tells of itself while it runs: the fields of an `edgekit.report.outcome.Outcome`."""

    def __init__(self, command: str, subject: str, demands: Sequence[str]) -> None:
        self.fields: dict[str, Any] = {"command": command, "subject": subject, "unjudged": tuple(demands)}

    def add(self, **fields: Any) -> None:
        """Further fields; `unjudged` is over once gates are there."""
        self.fields |= fields
        if "gates" in fields:
            self.fields["unjudged"] = ()

    def judge(self, files: Sequence[tuple[str, Sequence[Gate]]], *, quiet: bool) -> None:
        """Print how each file stands to its gates, and keep it. quiet: on stderr, since stdout is one JSON document."""
        gates = [(file, gate) for file, own in files for gate in own]
        for file, gate in gates:
            typer.echo(f"gate {gate.demand} of {file}: {'met' if gate.met else 'NOT met'}, {gate.told}", err=quiet)
        self.add(gates=gates)

    def raise_missed(self) -> None:
        """Raises GateNotMet if a gate that was judged is missed."""
        missed = [
            f"{gate.demand} of {file} ({gate.told})" for file, gate in self.fields.get("gates", ()) if not gate.met
        ]
        if missed:
            raise GateNotMet(f"Gate not met: {'; '.join(missed)}.")

    def report(self, report: Report, gates: Sequence[Gate] | None = None) -> None:
        """What a run tells. gates: judged anew; None = as its report has them."""
        from edgekit.report import outcome

        self.add(**outcome.of_report(report, gates))


@contextlib.contextmanager
def outlets(
    command: str, subject: str, demands: Sequence[str], junit: Path | None, summary: Path | None
) -> Iterator[Told]:
    """Write down what the block tells, and what it ends with, if anything asks for it; the error goes on.

    Raises:
        UsageError: a file that cannot be written, before the block begins.
    """
    files = [("--junit", junit), ("--summary", summary)]
    for option, path in files:
        if path is not None and (path.is_dir() or not os.access(path.absolute().parent, os.W_OK)):
            raise UsageError(f"{option} {path} cannot be written: expected a file in a folder that exists.")
    step = Path(os.environ[_STEP]) if os.environ.get(_STEP) else None
    told = Told(command, subject, demands)
    if junit is summary is step is None:
        yield told
        return
    start = time.perf_counter()
    try:
        yield told
    except BaseException as error:
        try:
            if isinstance(report := getattr(error, "report", None), Report):
                told.report(report)
            _write(told, error, time.perf_counter() - start, junit, summary, step)
        except Exception as second:  # the first is the one to end with
            print(f"warning: --junit, --summary: {second}", file=sys.stderr)
        raise
    _write(told, None, time.perf_counter() - start, junit, summary, step)


def _write(
    told: Told, error: BaseException | None, seconds: float, junit: Path | None, summary: Path | None, step: Path | None
) -> None:
    from edgekit.report import junit as xml
    from edgekit.report import step_summary
    from edgekit.report.outcome import Outcome
    from edgekit.store import write_atomic

    fields = told.fields
    if isinstance(error, GateNotMet) and not Outcome(**fields).passed:
        error = None  # the cases of the gates and checks tell it
    outcome = Outcome(**fields, error=error, seconds=seconds)
    if junit is not None:
        write_atomic(junit, xml.render(outcome))
    text = step_summary.render(outcome, os.environ)
    # Several steps, or commands of one step, share GitHub's file.
    shared = step is not None and summary is not None and step.absolute() == summary.absolute()
    if summary is not None and not shared:
        write_atomic(summary, text)
    if step is not None:
        try:
            with step.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as failed:  # nobody asked for it: a good build stays one
            print(f"warning: the step's summary was not written: {failed}", file=sys.stderr)
