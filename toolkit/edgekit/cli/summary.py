"""What a finished command prints to stdout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer


def print_report(document: Mapping[str, Any], folder: Path, as_json: bool) -> None:
    """The files with size, quality and latency, the comparisons and the verdict; or report.json as it is."""
    if as_json:
        typer.echo(json.dumps(document, indent=2))
        return
    typer.echo(
        f"{'file':<22} {'bytes':>9} {'accuracy':>9} {'NLL':>7} {'ECE':>7} {'AURC':>7} {'AUGRC':>7}  p50 ms (threads)"
    )
    for artifact in document["artifacts"]:
        test = next(e for e in document["evaluations"] if e["artifact"] == artifact["name"] and e["split"] == "test")
        latency = ", ".join(
            f"{m['p50_ms']:.3f} ({m['threads']})" + ("" if m["valid"] else " not valid")
            for m in document["measurements"]
            if m["artifact"] == artifact["name"]
        )
        typer.echo(
            f"{artifact['name']:<22} {artifact['size_bytes']:>9,} {test['accuracy']:>9.4f} {test['nll']:>7.4f} "
            f"{test['ece']:>7.4f} {test['aurc']:>7.4f} {test['augrc']:>7.4f}  {latency or 'not measured'}"
        )
    for row in document["comparisons"]:
        typer.echo(f"{row['kind']}: {row['files']}")
    verdict = document["verdict"]
    typer.echo(f"verdict on curation {document['curation']['method']!r}: {verdict['verdict']}")
    if verdict["next"]:
        typer.echo(f"next step: {verdict['next']}")
    if document["dataset"]["default"]:
        typer.echo("data: the images that ship with edgekit (give --data for your own)")
    typer.echo(f"report: {folder / 'report.html'}")


def print_stage(folder: Path, until: str, as_json: bool) -> None:
    """What `edgekit curate` or `edgekit train` left."""
    curation = json.loads((folder / "curation" / "summary.json").read_text())
    if as_json:
        typer.echo(json.dumps({"run": str(folder), "curation": curation}, indent=2))
        return
    typer.echo(
        f"kept {curation['n_kept']:,} of {curation['n_before']:,} training samples: {folder / 'curation' / 'selection.jsonl'}"
    )
    if until == "train":
        typer.echo(f"student: {folder / 'models' / 'student_float.keras'}")
    typer.echo(f"go on with: edgekit build --resume --out {folder}")
