"""edgekit gate: a finished run held against demands, without a build."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli import outlets
from edgekit.cli.options import Json
from edgekit.errors import GateNotMet, IntegrityError

Run = Annotated[Path, typer.Argument(help="The folder of a finished build or compression.", metavar="RUN")]
MaxDrop = Annotated[
    float | None,
    typer.Option(min=0, metavar="PP", help="Most accuracy points that the shipped file may have lost (on validation)."),
]


def gate(
    run: Run,
    gate: outlets.GateOption = None,
    max_drop: MaxDrop = None,
    junit: outlets.Junit = None,
    summary: outlets.Summary = None,
    as_json: Json = False,
) -> None:
    """Judge a finished run again, from its report.json and files; without a demand, by those that it was built with."""
    from edgekit import report as reports
    from edgekit.report import values
    from edgekit.types import Report

    with outlets.outlets("gate", str(run), gate or (), junit, summary) as told:
        report = Report(path=run, document=reports.read(run))
        gates = values.judge(report, gate or (), max_drop)
        told.report(report, gates)
        checks = told.fields["checks"]
        if as_json:
            rows = {"gates": gates, "checks": checks}
            plain = {name: [dataclasses.asdict(row) for row in found] for name, found in rows.items()}
            typer.echo(json.dumps({"run": str(run), **plain}, indent=2))
        else:
            for row in gates:
                typer.echo(f"gate {row.demand}: {'met' if row.met else 'NOT met'}, {row.told}")
            for check in checks:
                typer.echo(f"integrity: {check.name}{f'? NO: {check.problem}' if check.problem else ''}")
        if damaged := [check.problem for check in checks if check.damage]:
            raise IntegrityError(f"{damaged[0]}; restore it, or build again: what is judged must be what was measured.")
        missed = [f"{row.demand} ({row.told})" for row in gates if not row.met]
        if missed := missed + [check.problem for check in checks if check.problem]:
            raise GateNotMet(f"Gate not met: {'; '.join(missed)}.")
