"""edgekit export: one folder with all that an app needs of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli import options as o
from edgekit.cli.build import resolved
from edgekit.cli.completion import names
from edgekit.cli.console import Console

Path_ = Annotated[
    Path, typer.Argument(metavar="RUN|PRODUCT|FILE", help="A run folder, a product, a .tflite or an .onnx.")
]
Bundle = Annotated[
    str,
    typer.Option(
        metavar="KIND",
        help="android (a Gradle module), pi (a Python package), mcu (C arrays for TFLite Micro) or onnx (ONNX Runtime).",
        autocompletion=names("bundles"),
    ),
]
OutFolder = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="The folder to write; default: bundles/<name>-<kind>.")
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="SPEC",
        help="The data set that golden vectors are taken from; default: that of the recipe beside the file.",
    ),
]
InputRange = Annotated[
    str, typer.Option(help="The values that a file of your own takes pixels as: 0-1, 0-255 or signed (-1 to 1).")
]
License = Annotated[str | None, typer.Option(metavar="TEXT", help="The model's license, for its metadata.")]
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
            data=resolved(data),
            input_range=input_range,
            license=license,
            force=force,
            reporter=reporter,
        )
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), **manifest}, indent=2))
        return
    size = sum(entry["bytes"] for entry in manifest["files"].values())
    typer.echo(f"{folder}: {len(manifest['files'])} files, {size:,} bytes; README.md says how to use them")
