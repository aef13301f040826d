"""--junit and --summary: the results of a command for continuous integration, written even if it fails."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from edgekit.errors import GateNotMet, UsageError
from edgekit.types import Gate, Report

_STEP = "GITHUB_STEP_SUMMARY"


class CommandResult:
    """What a command reports while it runs: the fields of an `edgekit.report.ci.outcome.Outcome`."""

    def __init__(self, command: str, subject: str, demands: Sequence[str]) -> None:
        self.fields: dict[str, Any] = {"command": command, "subject": subject, "unjudged": tuple(demands)}

    def add(self, **fields: Any) -> None:
        """Add fields; `unjudged` is empty once there are gates."""
        self.fields |= fields
        if "gates" in fields:
            self.fields["unjudged"] = ()

    def judge(self, files: Sequence[tuple[str, Sequence[Gate]]], *, quiet: bool) -> None:
        """Print whether each file meets its gates, and keep the results. quiet: on stderr, since stdout is one JSON document."""
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
        """Add the results of a run. gates: judged again; None = those of its report."""
        from edgekit.report.ci import outcome

        self.add(**outcome.of_report(report, gates))


@contextlib.contextmanager
def reported_to_ci(
    command: str, subject: str, demands: Sequence[str], junit: Path | None, summary: Path | None
) -> Iterator[CommandResult]:
    """Write the results of the block, and the error it ends with, if an output is requested; the error is raised again.

    Raises:
        UsageError: a file that cannot be written, before the block begins.
    """
    files = [("--junit", junit), ("--summary", summary)]
    for option, path in files:
        if path is not None and (path.is_dir() or not os.access(path.absolute().parent, os.W_OK)):
            raise UsageError(f"{option} {path} cannot be written: expected a file in a folder that exists.")
    step = Path(os.environ[_STEP]) if os.environ.get(_STEP) else None
    result = CommandResult(command, subject, demands)
    if junit is summary is step is None:
        yield result
        return
    start = time.perf_counter()
    try:
        yield result
    except BaseException as error:
        try:
            if isinstance(report := getattr(error, "report", None), Report):
                result.report(report)
            _write(result, error, time.perf_counter() - start, junit, summary, step)
        except Exception as second:  # the first error is the one to raise
            print(f"warning: --junit, --summary: {second}", file=sys.stderr)
        raise
    _write(result, None, time.perf_counter() - start, junit, summary, step)


def _write(
    result: CommandResult,
    error: BaseException | None,
    seconds: float,
    junit: Path | None,
    summary: Path | None,
    step: Path | None,
) -> None:
    from edgekit.report.ci import junit as xml
    from edgekit.report.ci import step_summary
    from edgekit.report.ci.outcome import Outcome
    from edgekit.runs.files import write_atomic

    fields = result.fields
    if isinstance(error, GateNotMet) and not Outcome(**fields).passed:
        error = None  # the cases of the gates and checks show it
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
        except OSError as failed:  # not requested by the user, so a good build does not fail
            print(f"warning: the step's summary was not written: {failed}", file=sys.stderr)
