"""edgekit study: arms x RNG seeds, equal compute, and a verdict on each arm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli.options import Json

File = Annotated[Path, typer.Argument(metavar="FILE.yaml", help="A study: base recipe, arms, RNG seeds.")]
EngineName = Annotated[str, typer.Option("--engine", help="Where the runs are computed: local or ray.")]
Jobs = Annotated[int | None, typer.Option(help="Runs at a time, a core each; default: as cores and memory allow.")]
Address = Annotated[
    str | None, typer.Option(help="The Ray cluster: auto (default), host:port, or local to start one here.")
]
Out = Annotated[Path | None, typer.Option(help="The study's folder; default: studies/NAME after the file.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the study in --out; finished runs are verified.")]
Match = Annotated[str | None, typer.Option(help="What is equal in all arms: steps (default), flops or epochs.")]
Arm = Annotated[
    str | None,
    typer.Option("--arm", metavar="same-total-flops", help="Also all data, with the curation's FLOPs on top."),
]
MaxHours = Annotated[float | None, typer.Option(metavar="H", help="No run begins after so many hours.")]
LeaveOut = Annotated[
    str | None, typer.Option("--lodo", metavar="all|A,B", help="Leave groups (speakers, sites) out as test, in turn.")
]


def study(
    file: File,
    engine: EngineName = "local",
    jobs: Jobs = None,
    address: Address = None,
    out: Out = None,
    resume: Resume = False,
    match: Match = None,
    arm: Arm = None,
    max_hours: MaxHours = None,
    lodo: LeaveOut = None,
    as_json: Json = False,
) -> None:
    """Compare arms over RNG seeds at equal compute, with controls, and say what may be claimed."""
    from edgekit.cli import study_tables
    from edgekit.cli.console import Console
    from edgekit.study import conduct, definition, engines

    values = {
        "match": match,
        "same_total_flops": _same_total_flops(arm),
        "max_hours": max_hours,
        "leave_out": _groups(lodo),
    }
    folder = out or Path("studies") / file.stem
    before = (conduct.begun(folder) if resume else None) or {}
    asked = definition.load(file, definition.continued(values, before))
    with Console() as reporter:
        for key, value in values.items():
            if value is None and before.get(key) and key != "max_hours":
                reporter.note(f"{key}: {before[key]}, as the study was begun")
        made = engines.make(engine, jobs=jobs, address=address)
        try:
            document = conduct.conduct(asked, folder, made, resume=resume, reporter=reporter)
        finally:
            made.close()
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        study_tables.show(document, folder)
    # Last, so that nothing of what was made stays untold.
    if error := conduct.shortfall(document, folder):
        raise error


def _same_total_flops(arm: str | None) -> bool | None:
    from edgekit.errors import UnknownName

    if arm not in (None, "same-total-flops"):
        raise UnknownName("additional arm", str(arm), ["same-total-flops"])
    return True if arm else None


def _groups(lodo: str | None) -> Any:
    return lodo if lodo in (None, "all") else [name.strip() for name in str(lodo).split(",") if name.strip()]
