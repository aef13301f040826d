"""edgekit study: arms x RNG seeds, equal compute, and a verdict on each arm."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
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
    from edgekit.cli.console import Console
    from edgekit.study import conduct, definition, engines

    values = {
        "match": match,
        "same_total_flops": _same_total_flops(arm),
        "max_hours": max_hours,
        "leave_out": _groups(lodo),
    }
    asked = definition.load(file, values)
    folder = out or Path("studies") / file.stem
    with Console() as reporter:
        made = engines.make(engine, jobs=jobs, address=address)
        try:
            document = conduct.conduct(asked, folder, made, resume=resume, reporter=reporter)
        finally:
            made.close()
    if as_json:
        typer.echo(json.dumps(document, indent=2))
        return
    _show(document, folder)


def _same_total_flops(arm: str | None) -> bool | None:
    from edgekit.errors import UnknownName

    if arm not in (None, "same-total-flops"):
        raise UnknownName("additional arm", str(arm), ["same-total-flops"])
    return True if arm else None


def _groups(lodo: str | None) -> Any:
    return lodo if lodo in (None, "all") else [name.strip() for name in str(lodo).split(",") if name.strip()]


def _show(document: Mapping[str, Any], folder: Path) -> None:
    """Verdicts, costs and what is missing, as text."""
    from edgekit.report.study_page import effect

    rows = document["verdicts"]

    def told(row: Mapping[str, Any]) -> str:
        if row["effect"] is None:
            return str(row["verdict"])
        ends = "" if row["lower"] is None else f"\n{effect(row, 'lower').removesuffix(' pp')} to {effect(row, 'upper')}"
        return f"{row['verdict']} {effect(row)}{ends}"

    _matrix(rows, told, "")
    for text in dict.fromkeys(row["rests_on"] for row in rows):
        typer.echo(f"95 % intervals for other seeds and other test samples; rests on {text}")
    typer.echo()
    _table(
        ["cost of one run", "kept", "steps", "train GFLOP", "curation GFLOP", "seconds"],
        [
            [
                row["arm"], f"{row['n_kept']:,.0f}", "/".join(map(str, row["steps"])), f"{row['student_train_flops'] / 1e9:,.1f}",
                f"{row['curation_flops'] / 1e9:,.1f}", f"{row['student_seconds']:.1f}",
            ]
            for row in document["ledger"]
        ],
    )  # fmt: skip
    _matrix(document["planning"], _planned, "RNG seeds needed, ")
    for row in document["excluded"]:
        typer.echo(f"excluded: {row['run']} {row['status']}: {row['reason']}")
    for text in (*document["graphs"]["differences"], *document["notes"]):
        typer.echo(f"note: {text}")
    typer.echo(f"report: {folder / 'study.html'}")


def _planned(row: Mapping[str, Any]) -> str:
    needed = "more than 200" if row["seeds_needed"] is None else row["seeds_needed"]
    seen = "nothing" if row["detectable"] is None else f"{row['detectable']:.2g}"
    return f"{needed} for {row['worthwhile']:g}\n{row['seeds']} see {seen}"


def _matrix(rows: Sequence[Mapping[str, Any]], told: Callable[[Mapping[str, Any]], str], title: str) -> None:
    """A table for each judged file: comparisons down, metrics across."""
    from edgekit.report.study_page import summary

    found = summary(rows)
    for artifact in found["artifacts"]:
        lines = []
        for (arm, control), cells in found["rows"].items():
            own = [cells.get((artifact, metric)) for metric in found["metrics"]]
            lines.append([f"{arm} - {control}", *("" if row is None else told(row) for row in own)])
        _table([f"{title}{artifact}", *found["metrics"]], lines)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """On a terminal as wide as that is; else as wide as it takes."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for place, name in enumerate(header):
        table.add_column(Text(name), justify="right" if place else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(width=None if sys.stdout.isatty() else 1000, highlight=False).print(table)
