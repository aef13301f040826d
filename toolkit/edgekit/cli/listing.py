"""edgekit list: the tables of the registry."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from edgekit import registry
from edgekit.cli.options import Json
from edgekit.errors import UnknownName

Table = Annotated[str | None, typer.Argument(help=f"One of: {', '.join(registry.TABLES)}. All when left out.")]


def list_names(table: Table = None, as_json: Json = False) -> None:
    """List students, curation methods, data sources, targets and the other names a recipe may hold."""
    if table is not None and table not in registry.TABLES:
        raise UnknownName("table", table, registry.TABLES)
    wanted = {name: rows for name, (_, rows) in registry.TABLES.items() if table in (None, name)}
    if as_json:
        typer.echo(
            json.dumps(
                {name: {key: entry._asdict() for key, entry in rows.items()} for name, rows in wanted.items()}, indent=2
            )
        )
        return
    for name, rows in wanted.items():
        typer.echo(f"{name}:")
        for key, entry in rows.items():
            typer.echo(f"  {key:<20} {entry.summary}" + (f"  [edgekit[{entry.extra}]]" if entry.extra else ""))
