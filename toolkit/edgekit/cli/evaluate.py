"""edgekit evaluate: quality of files of your own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli import options as o
from edgekit.cli.outlets import GateOption, Junit, Summary, outlets
from edgekit.types import Evaluation, Output

Logits = Annotated[
    bool, typer.Option("--logits", help="The files give logits; default: as the metadata.json beside them says.")
]


def evaluate(
    files: o.Files, data: o.Data = None, image_size: o.ImageSize = None, split: o.SplitName = "test",
    input_range: o.InputRange = "0-1", logits: Logits = False, gate: GateOption = None, junit: Junit = None,
    summary: Summary = None, seed: o.Seed = None, as_json: o.Json = False,
) -> None:  # fmt: skip
    """Accuracy and reliability of files, by running the files themselves on a data set; gates judge them on --split."""
    from edgekit.bench import standalone
    from edgekit.evidence import gates
    from edgekit.report import outcome

    with outlets("evaluate", ", ".join(map(str, files)), gate or (), junit, summary) as told:
        demands = gates.demanded(
            gate or (), (), measured=(*gates.QUALITY, *gates.SIZES), instead="`edgekit bench` judges it"
        )
        dataset = standalone.images(data, image_size, seed, files)
        gates.check_classes(gate or (), dataset.classes)
        kind: Output | None = "logits" if logits else None
        rows = [standalone.evaluate_file(path, dataset, split, input_range, output=kind) for path in files]  # type: ignore[arg-type]
        told.add(files=outcome.of_evaluations(rows))
        if as_json:
            typer.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        else:
            for path, row in zip(files, rows, strict=True):
                _print(path, row)
        found = zip(files, rows, strict=True) if demands else ()
        told.judge(
            [(str(path), gates.judge(demands, standalone.artifact_of(path), row, ())) for path, row in found],
            quiet=as_json,
        )
        told.raise_missed()


def _print(path: Path, row: Evaluation) -> None:
    from edgekit.report import classes

    typer.echo(f"{path}  {row.split}, n = {row.n:,}")
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "nll", "brier", "ece", "aurc", "augrc"):
        typer.echo(f"  {name:<17} {getattr(row, name):.4f}")
    for line in classes.told(row.per_class, row.split):
        typer.echo(f"  {line}")
