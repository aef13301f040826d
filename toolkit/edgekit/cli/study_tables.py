"""What `edgekit study` prints at its end: verdicts, what they rest on, costs, the size of the next study, and what is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer


def show(document: Mapping[str, Any], folder: Path) -> None:
    """Print the content of a study.json, which is in `folder`."""
    rows = document["verdicts"]
    if document["outstanding"]:
        missing = f"{len(document['outstanding'])} of {len(document['runs'])} runs are missing"
        typer.echo(f"interim: {missing}; --resume runs the rest, and then the study is judged")
    if not rows:
        typer.echo("Nothing could be judged.")
    _matrix(rows, _verdict, "")
    _grounds(document)
    for row in document["not_judged"]:
        typer.echo(f"not judged: {row['arm']} - {row['control']}, {row['artifact']}: {row['reason']}")
    typer.echo()
    if document["ledger"]:
        _cost(document["ledger"])
    _matrix(document["planning"], _planned, "to detect more, ")
    for row in document["excluded"]:
        typer.echo(f"excluded: {row['run']} {row['status']}: {row['reason']}")
    for text in (*document["graphs"]["differences"], *document["notes"]):
        typer.echo(f"note: {text}")
    typer.echo(f"report: {folder / 'study.html'}")


def _verdict(row: Mapping[str, Any]) -> str:
    from edgekit.report.study_page import effect

    if row["effect"] is None:
        return str(row["verdict"])
    ends = "" if row["lower"] is None else f"\n{effect(row, 'lower').removesuffix(' pp')} to {effect(row, 'upper')}"
    return f"{row['verdict']} {effect(row)}{ends}"


def _grounds(document: Mapping[str, Any]) -> None:
    """What the verdicts rest on, each ground with its comparisons if there are several; how far they go; seeds left out."""
    from edgekit.report.study_page import grounds

    for ground in grounds(document):
        where = f" ({'; '.join(ground['of'])})" if ground["of"] else ""
        spans = f"95 % intervals for {ground['spans']}; " if ground["spans"] else ""
        typer.echo(f"{spans}rests on {ground['rests_on']}{where}")
    for text in document["limits"]:
        typer.echo(f"limit: {text}")
    for text in dict.fromkeys(text for row in document["verdicts"] for text in row["excluded"]):
        typer.echo(f"left out of its comparisons: {text}")


def _cost(ledger: Sequence[Mapping[str, Any]]) -> None:
    _table(
        ["cost of one run", "kept", "steps", "train GFLOP", "curation GFLOP", "seconds"],
        [
            [
                row["arm"], f"{row['n_kept']:,.0f}", "/".join(map(str, row["steps"])), f"{row['student_train_flops'] / 1e9:,.1f}",
                f"{row['curation_flops'] / 1e9:,.1f}", f"{row['student_seconds']:.1f}",
            ]
            for row in ledger
        ],
    )  # fmt: skip


def _planned(row: Mapping[str, Any]) -> str:
    from edgekit.report.study_page import needed

    seen = "nothing" if row["detectable"] is None else f"{row['detectable']:.2g}"
    return f"{needed(row)}\nfor {row['worthwhile']:g}; {row['seeds']} seeds detect {seen}"


def _matrix(rows: Sequence[Mapping[str, Any]], text_of: Callable[[Mapping[str, Any]], str], title: str) -> None:
    """A table for each judged file: comparisons down, metrics across."""
    from edgekit.report.study_page import summary

    table = summary(rows)
    for artifact in table["artifacts"]:
        lines = []
        for (arm, control), cells in table["rows"].items():
            own = [cells.get((artifact, metric)) for metric in table["metrics"]]
            unequal = next((row["unequal"] for row in own if row and row.get("unequal")), None)
            name = f"{arm} - {control}" + (f"\nNOT equal: {unequal}" if unequal else "")
            lines.append([name, *("" if row is None else text_of(row) for row in own)])
        _table([f"{title}{artifact}", *table["metrics"]], lines)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """As wide as the terminal; as wide as needed if there is none."""
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
