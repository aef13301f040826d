"""edgekit gate: check a finished run against gates, without building it again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli import ci_outputs
from edgekit.cli import options as o
from edgekit.cli.signature import taking
from edgekit.errors import GateNotMet, IntegrityError

Run = Annotated[Path, typer.Argument(help="Folder of a finished build or compression.", metavar="RUN")]


@taking("gates", "max_drop")
def gate(
    run: Run,
    values: Mapping[str, Any],
    junit: o.Junit = None,
    summary: o.Summary = None,
    as_json: o.Json = False,
) -> None:
    """Check a finished run against gates, from its report.json and files.

    Without --gate and --max-drop, the gates are those that the run was built with.
    """
    from edgekit import recipe
    from edgekit import report as reports
    from edgekit.report import values as judging
    from edgekit.types import Report

    demands, max_drop = values["gates"] or (), recipe.load(values={"max_drop": values["max_drop"]}).max_drop
    with ci_outputs.reported_to_ci("gate", str(run), demands, junit, summary) as result:
        report = Report(path=run, document=reports.read(run))
        gates = judging.judge(report, demands, max_drop)
        result.report(report, gates)
        checks = result.fields["checks"]
        if as_json:
            rows = {"gates": gates, "checks": checks}
            plain = {name: [dataclasses.asdict(row) for row in own] for name, own in rows.items()}
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
