"""edgekit export: one folder with everything an app needs for a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli import options as o
from edgekit.cli.completion import names
from edgekit.cli.console import Console

Path_ = Annotated[
    Path, typer.Argument(metavar="RUN|PRODUCT|FILE", help="A run folder, a product, or a .tflite or .onnx file.")
]
Bundle = Annotated[
    str,
    typer.Option(
        metavar="android|pi|mcu|onnx",
        help="Kind of bundle: a Gradle module, a Python package, C arrays for TFLite Micro, or ONNX Runtime.",
        autocompletion=names("bundles"),
    ),
]
OutFolder = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder to write. By default bundles/<name>-<kind>.")
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="SPEC",
        help="Data set to take golden vectors from. By default that of the recipe beside the file.",
    ),
]
InputRange = Annotated[
    str,
    typer.Option(
        metavar="0-1|0-255|signed", help="Range of pixel values that your own file expects; signed means -1 to 1."
    ),
]
License = Annotated[str | None, typer.Option(metavar="TEXT", help="License of the model, for its metadata.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the bundle in --out.")]


def export(
    path: Path_,
    bundle: Bundle,
    out: OutFolder = None,
    data: Data = None,
    input_range: InputRange = "0-1",
    license: License = None,
    force: Force = False,
    as_json: o.Json = False,
) -> None:
    """Write a bundle: the file, labels, metadata, golden vectors with expected outputs, and a self-test for the target."""
    from edgekit.bundle import write

    with Console() as reporter:
        folder, manifest = write.export(
            path,
            bundle,
            out,
            data=o.existing_path(data) if data else data,
            input_range=input_range,  # type: ignore[arg-type]
            license=license,
            force=force,
            reporter=reporter,
        )
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), **manifest}, indent=2))
        return
    size = sum(entry["bytes"] for entry in manifest["files"].values())
    typer.echo(f"{folder}: {len(manifest['files'])} files, {size:,} bytes; see README.md for how to use them")
