"""edgekit list: the tables of the registry, students with their costs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from edgekit import registry
from edgekit.cli import zoo
from edgekit.cli.options import Json
from edgekit.errors import UnknownName
from edgekit.students.facts import CLASSES, facts

Table = Annotated[
    str | None,
    typer.Argument(help=f"Which list: {', '.join(registry.TABLES)} or zoo. By default all.", metavar="LIST"),
]


def list_names(table: Table = None, as_json: Json = False) -> None:
    """List students, curation methods, data sources, targets and the other names a recipe may hold."""
    if table is not None and table not in (known := (*registry.TABLES, "zoo")):
        raise UnknownName("table", table, known)
    products = dict(zoo.rows(required=table == "zoo")) if table in (None, "zoo") else {}
    wanted = {name: rows for name, (_, rows) in registry.TABLES.items() if table in (None, name)}
    if as_json:
        tables = {
            name: {key: _described(name, key, entry) for key, entry in rows.items()} for name, rows in wanted.items()
        }
        if table in (None, "zoo"):
            tables["zoo"] = {name: {"summary": summary} for name, summary in products.items()}
        typer.echo(json.dumps(tables, indent=2))
        return
    for name, rows in wanted.items():
        typer.echo(f"{name}:")
        for key, entry in rows.items():
            typer.echo(f"  {key:<20} {entry.summary}" + (f"  [edgekit[{entry.extra}]]" if entry.extra else ""))
            for param, default in entry.params.items():
                typer.echo(f"    --set curation.params.{param}={default}")
            for weights, widths in entry.weights.items():
                typer.echo(f"    public weights {weights} (--weights {weights}): width {', '.join(widths)}")
            for line in _costs(key) if table == "students" else ():
                typer.echo(line)
    if products:
        typer.echo("zoo:")
    for name, summary in products.items():
        typer.echo(f"  {name:<34} {summary}")
    if table == "students":
        typer.echo(
            f"MAC of one image, parameters, and the int8 file for {CLASSES} classes; the default width is first."
        )


def _described(table: str, name: str, entry: registry.Entry) -> dict[str, Any]:
    if table != "students":
        return entry._asdict()
    costs = [
        {"width": width, **dataclasses.asdict(fact)} for width, rows in facts().get(name, {}).items() for fact in rows
    ]
    return entry._asdict() | {"costs": costs}


def _costs(student: str) -> Iterator[str]:
    for width, rows in facts().get(student, {}).items():
        for fact in rows:
            shape = "x".join(map(str, fact.input))
            yield (
                f"    {width:<8} {shape:<9} {fact.macs:>12,} MAC {fact.params:>11,} parameters"
                f" {fact.int8_bytes / 1024:>9,.1f} KB int8"
            )
