"""edgekit doctor: is everything here that a build needs, and the command that mends what is not."""

from __future__ import annotations

import dataclasses
import json
from importlib.metadata import version
from typing import Annotated

import typer

from edgekit.cli.options import Json
from edgekit.errors import MissingExtra

Deep = Annotated[
    bool, typer.Option("--deep", help="Also import TensorFlow, to see what it trains on, and connect to each target.")
]


def doctor(deep: Deep = False, as_json: Json = False) -> None:
    """Check the installation and the machine; each problem comes with the command that mends it.

    Exit code 0 if a build can work, warnings or not; 3 if packages are missing, clash, or need another Python.
    """
    from edgekit.diagnosis import machine, packages, reach
    from edgekit.diagnosis.check import Check

    found = [*packages.checks(), *machine.checks(), *reach.checks(deep=deep)]
    broken = any(check.state == "problem" for check in found)
    if deep and not broken:
        from edgekit import backend

        found.append(Check(name="trains on", state="ok", told=backend.device(backend.load("tensorflow"))))
    if as_json:
        document = {"edgekit": version("edgekit"), "ok": not broken, "checks": [dataclasses.asdict(c) for c in found]}
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo(f"edgekit {version('edgekit')}")
        for check in found:
            typer.echo(f"  {check.state:<8} {check.name:<28} {check.told}")
            if check.fix:
                typer.echo(f"  {'':<8} fix: {check.fix}")
        counts = {state: sum(check.state == state for check in found) for state in ("problem", "warning")}
        told = ", ".join(f"{number} {state}{'s' if number > 1 else ''}" for state, number in counts.items() if number)
        typer.echo(told or "All is well.")
    if broken:
        raise typer.Exit(MissingExtra.exit_code)
