"""edgekit study: arms x RNG seeds, equal compute, and a verdict on each arm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli import options as o
from edgekit.cli.signature import taking_of
from edgekit.errors import UnknownName
from edgekit.study.definition import Study


def _same_total_flops(arm: str) -> bool:
    if arm != "same-total-flops":
        raise UnknownName("additional arm", arm, ["same-total-flops"])
    return True


def _groups(lodo: str) -> str | list[str]:
    return lodo if lodo == "all" else o.separate(lodo)


COMPARED = "What is compared"
OPTIONS = (
    o.Option("match", "--match", COMPARED),
    o.Option("same_total_flops", "--arm", COMPARED, "same-total-flops", _same_total_flops),
    o.Option("leave_out", "--lodo", COMPARED, "all|A,B", _groups),
    o.Option("max_hours", "--max-hours", o.RUN, "HOURS"),
)

File = Annotated[Path, typer.Argument(metavar="FILE.yaml", help="Study file: base recipe, arms, RNG seeds.")]
EngineName = Annotated[
    str,
    typer.Option("--engine", metavar="local|ray", help="Where the runs are computed.", rich_help_panel=o.RUN),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Number of runs at a time, one core each. By default as many as cores and memory allow.",
        rich_help_panel=o.RUN,
    ),
]  # fmt: skip
Address = Annotated[
    str | None,
    typer.Option(
        metavar="auto|HOST:PORT|local", help="Ray cluster to use; local starts one here. By default auto.",
        rich_help_panel=o.RUN,
    ),
]  # fmt: skip
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder of the study. By default studies/<name of the file>.", rich_help_panel=o.RUN
    ),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Continue the study in --out; finished runs are verified.", rich_help_panel=o.RUN),
]


@taking_of(Study, OPTIONS)
def study(
    file: File,
    values: Mapping[str, Any],
    engine: EngineName = "local",
    jobs: Jobs = None,
    address: Address = None,
    out: Out = None,
    resume: Resume = False,
    as_json: o.Json = False,
) -> None:
    """Compare arms over RNG seeds at equal compute, with controls, and report what the evidence supports."""
    from edgekit.cli import study_tables
    from edgekit.cli.console import Console
    from edgekit.study import conduct, definition, engines

    folder = out or Path("studies") / file.stem
    before = (conduct.begun(folder) if resume else None) or {}
    spec = definition.load(file, definition.continued(values, before))
    with Console() as reporter:
        for key, value in values.items():
            if value is None and before.get(key) and key != "max_hours":
                reporter.note(f"{key}: {before[key]}, as when the study was started")
        runner = engines.make(engine, jobs=jobs, address=address)
        try:
            document = conduct.conduct(spec, folder, runner, resume=resume, reporter=reporter)
        finally:
            runner.close()
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        study_tables.show(document, folder)
    # Last, so that all results are shown.
    if error := conduct.shortfall(document, folder):
        raise error
