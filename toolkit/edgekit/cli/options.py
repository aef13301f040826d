"""Options that several commands share, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit import registry


def _names(table: str) -> str:
    return ", ".join(registry.TABLES[table][1])


Data = Annotated[
    str | None, typer.Option(help="A named set, an IDX folder or a .npz file; default: the shipped images.")
]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help="A YAML recipe; options here override it.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any recipe value, e.g. training.epochs=30.")
]
Curate = Annotated[str | None, typer.Option(help=f"Curation method: {_names('curations')}.")]
Budget = Annotated[
    float | None, typer.Option(help="Samples to drop with --curate random: a count, or a share below 1.")
]
StudentName = Annotated[str | None, typer.Option("--student", help=f"The network that ships: {_names('students')}.")]
TeacherName = Annotated[
    str | None, typer.Option("--teacher", help=f"The network whose loss curates: {_names('teachers')}.")
]
Backend = Annotated[str | None, typer.Option(help=f"Training backend: {_names('backends')}.")]
Seed = Annotated[int | None, typer.Option(help="RNG seed of splits, training and draws; default 42.")]
Deterministic = Annotated[bool, typer.Option("--deterministic", help="The same weights every time (slower).")]
Out = Annotated[Path | None, typer.Option(help="The run folder; default: a new one under runs/.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the run in --out; files you changed there stay.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an unfinished run: --out, or the newest under runs/.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout.")]
