"""edgekit doctor: whether everything that a build needs is installed, and the commands that fix what is not."""

from __future__ import annotations

import dataclasses
import json
from importlib.metadata import version
from typing import Annotated

import typer

from edgekit.cli.options import Json
from edgekit.errors import MissingExtra

Deep = Annotated[
    bool,
    typer.Option(
        "--deep", help="Also import TensorFlow, to see which device it trains on, and connect to each target."
    ),
]


def doctor(deep: Deep = False, as_json: Json = False) -> None:
    """Check the installation and the machine; each problem comes with the command that fixes it.

    Exit code 0 if a build can work, even with warnings; 3 if packages are missing, conflict, or need another Python.
    """
    from edgekit.diagnosis import machine, packages, reach
    from edgekit.diagnosis.check import Check

    checks = [*packages.checks(), *machine.checks(), *reach.checks(deep=deep)]
    broken = any(check.state == "problem" for check in checks)
    if deep and not broken:
        from edgekit.frameworks import backend

        checks.append(Check(name="trains on", state="ok", told=backend.device(backend.load("tensorflow"))))
    if as_json:
        document = {"edgekit": version("edgekit"), "ok": not broken, "checks": [dataclasses.asdict(c) for c in checks]}
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo(f"edgekit {version('edgekit')}")
        for check in checks:
            typer.echo(f"  {check.state:<8} {check.name:<28} {check.told}")
            if check.fix:
                typer.echo(f"  {'':<8} fix: {check.fix}")
        counts = {state: sum(check.state == state for check in checks) for state in ("problem", "warning")}
        totals = ", ".join(f"{number} {state}{'s' if number > 1 else ''}" for state, number in counts.items() if number)
        typer.echo(totals or "No problems found.")
    if broken:
        raise typer.Exit(MissingExtra.exit_code)
