"""edgekit evaluate: quality of your own model files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli import options as o
from edgekit.cli.ci_outputs import reported_to_ci
from edgekit.cli.signature import taking
from edgekit.types import Evaluation, Output

KEYS = ("data.spec", "data.image_size", "gates", "seed")

Logits = Annotated[
    bool,
    typer.Option(
        "--logits", rich_help_panel=o.DATA,
        help="The files output logits. By default the metadata.json beside them decides.",
    ),
]  # fmt: skip


@taking(*KEYS)
def evaluate(
    files: o.Files,
    values: Mapping[str, Any],
    split: o.SplitName = "test",
    input_range: o.InputRange = "0-1",
    logits: Logits = False,
    junit: o.Junit = None,
    summary: o.Summary = None,
    as_json: o.Json = False,
) -> None:
    """Measure the accuracy and reliability of files by running them on a data set; gates apply to --split."""
    from edgekit.evidence import gates
    from edgekit.inference import standalone
    from edgekit.report.ci import outcome

    wanted = values["gates"] or ()
    with reported_to_ci("evaluate", ", ".join(map(str, files)), wanted, junit, summary) as result:
        demands = gates.demanded(
            wanted, (), measured=(*gates.QUALITY, *gates.SIZES), instead="`edgekit bench` judges it"
        )
        dataset = standalone.images(values["data.spec"], values["data.image_size"], values["seed"], files)
        gates.check_classes(wanted, dataset.classes)
        kind: Output | None = "logits" if logits else None
        rows = [standalone.evaluate_file(path, dataset, split, input_range, output=kind) for path in files]  # type: ignore[arg-type]
        result.add(files=outcome.of_evaluations(rows))
        if as_json:
            typer.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        else:
            for path, row in zip(files, rows, strict=True):
                _print(path, row)
        evaluated = zip(files, rows, strict=True) if demands else ()
        result.judge(
            [(str(path), gates.judge(demands, standalone.artifact_of(path), row, ())) for path, row in evaluated],
            quiet=as_json,
        )
        result.raise_missed()


def _print(path: Path, row: Evaluation) -> None:
    from edgekit.report import classes

    typer.echo(f"{path}  {row.split}, n = {row.n:,}")
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "nll", "brier", "ece", "aurc", "augrc"):
        typer.echo(f"  {name:<17} {getattr(row, name):.4f}")
    for line in classes.recall_lines(row.per_class, row.split):
        typer.echo(f"  {line}")
