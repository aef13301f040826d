"""edgekit evaluate and bench: one stage on files of your own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli import options as o

Files = Annotated[list[Path], typer.Argument(help=".tflite or .onnx classifiers.", metavar="FILE...")]
SplitName = Annotated[str, typer.Option("--split", help="train, val, cal or test.")]
Threads = Annotated[str, typer.Option(help="Thread counts, comma-separated; 0 = all cores.")]
Runs = Annotated[int, typer.Option(min=50, help="Counted runs of each file.")]


def evaluate(
    files: Files, data: o.Data = None, split: SplitName = "test", seed: o.Seed = None, as_json: o.Json = False
) -> None:
    """Accuracy and reliability of files, by running the files themselves on a data set."""
    from edgekit.bench import standalone

    rows = [standalone.evaluate_file(path, data, split, seed) for path in files]
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        return
    for path, row in zip(files, rows, strict=True):
        typer.echo(f"{path}  {split}, n = {row.n:,}")
        for name in ("accuracy", "nll", "brier", "ece", "aurc", "augrc"):
            typer.echo(f"  {name:<9} {getattr(row, name):.4f}")


def bench(
    files: Files, data: o.Data = None, threads: Threads = "1,0", runs: Runs = 100, as_json: o.Json = False
) -> None:
    """Latency of files on this machine: interleaved runs in a fresh process without TensorFlow."""
    from edgekit.bench import standalone

    rows = standalone.bench_files(files, data, standalone.parse_threads(threads), runs)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        return
    for row in rows:
        state = "" if row.valid else f"  not valid: {row.invalid_reason}"
        typer.echo(
            f"{row.artifact:<24} {row.threads} thread(s)  p50 {row.p50_ms:.3f} ms  p90 {row.p90_ms:.3f} ms  "
            f"peak RSS {row.peak_rss_bytes / 1024**2:.0f} MB  {row.runtime}{state}"
        )
