"""edgekit study: arms x RNG seeds, equal compute, and a verdict on each arm."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    rows = document["verdicts"]
    wide = max([len("comparison"), *(len(_pair(row)) for row in rows)])
    typer.echo(
        f"{'comparison':<{wide}}  {'metric':<11} {'arm':>8} {'control':>8} {'effect':>9}  {'95 % interval':<20} verdict"
    )
    for row in rows:
        typer.echo(
            f"{_pair(row):<{wide}}  {row['metric']:<11} {_number(row['arm_value'])} {_number(row['control_value'])} "
            f"{_number(row['effect'], 9, '+')}  {_interval(row):<20} {row['verdict']}"
        )
    if rows:
        typer.echo(f"rests on {rows[0]['rests_on']}; effects for other seeds and other test samples")
    typer.echo(
        f"\n{'cost of one run':<24} {'kept':>8} {'steps':>8} {'train GFLOP':>12} {'curation GFLOP':>15} {'seconds':>8}"
    )
    for row in document["ledger"]:
        steps = "/".join(map(str, row["steps"]))
        typer.echo(
            f"{row['arm']:<24} {row['n_kept']:>8,.0f} {steps:>8} {row['student_train_flops'] / 1e9:>12,.1f} "
            f"{row['curation_flops'] / 1e9:>15,.1f} {row['student_seconds']:>8.1f}"
        )
    for row in document["planning"]:
        needed = "more than 200" if row["seeds_needed"] is None else row["seeds_needed"]
        typer.echo(
            f"planning: {row['arm']} against {row['control']} ({row['artifact']}), {row['metric']}: {needed} RNG seeds see an "
            f"effect of {row['worthwhile']:g}; {row['seeds']} see {_number(row['detectable']).strip()}"
        )
    for row in document["excluded"]:
        typer.echo(f"excluded: {row['run']} {row['status']}: {row['reason']}")
    for text in (*document["graphs"]["differences"], *document["notes"]):
        typer.echo(f"note: {text}")
    typer.echo(f"report: {folder / 'study.html'}")


def _pair(row: Mapping[str, Any]) -> str:
    return f"{row['arm']} - {row['control']} ({row['artifact'].removeprefix('model_').removesuffix('.tflite')})"


def _number(value: float | None, width: int = 8, sign: str = "") -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{sign}{width}.4f}"


def _interval(row: Mapping[str, Any]) -> str:
    if row["lower"] is None:
        return ""
    return f"[{row['lower']:+.4f}, {row['upper']:+.4f}]"
