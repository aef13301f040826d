"""edgekit evaluate: quality of files of your own."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from edgekit.cli import options as o
from edgekit.types import Output

Logits = Annotated[
    bool, typer.Option("--logits", help="The files give logits; default: as the metadata.json beside them says.")
]


def evaluate(
    files: o.Files, data: o.Data = None, image_size: o.ImageSize = None, split: o.SplitName = "test",
    input_range: o.InputRange = "0-1", logits: Logits = False, seed: o.Seed = None, as_json: o.Json = False,
) -> None:  # fmt: skip
    """Accuracy and reliability of files, by running the files themselves on a data set."""
    from edgekit.bench import standalone

    dataset = standalone.images(data, image_size, seed, files)
    kind: Output | None = "logits" if logits else None
    rows = [standalone.evaluate_file(path, dataset, split, input_range, output=kind) for path in files]  # type: ignore[arg-type]
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        return
    for path, row in zip(files, rows, strict=True):
        typer.echo(f"{path}  {split}, n = {row.n:,}")
        for name in ("accuracy", "nll", "brier", "ece", "aurc", "augrc"):
            typer.echo(f"  {name:<9} {getattr(row, name):.4f}")
