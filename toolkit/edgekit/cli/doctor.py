"""edgekit doctor: is everything here that a build needs, and what to do if not."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from edgekit.environment import NEEDED
from edgekit.errors import MissingExtra

Deep = Annotated[bool, typer.Option("--deep", help="Also import the backends and look for a GPU (takes seconds).")]
_OPTIONAL = {"jax": "jax"}


def doctor(deep: Deep = False) -> None:
    """Check the installation; exit code 3 if a needed package is missing."""
    typer.echo(f"edgekit {version('edgekit')} on Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    missing = []
    for package in NEEDED:
        try:
            typer.echo(f"  ok       {package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
            typer.echo(f"  MISSING  {package}: pip install edgekit")
    if importlib.util.find_spec("distutils") is None:
        missing.append("setuptools")
        typer.echo("  MISSING  distutils, which pruning needs: pip install setuptools")
    for package, extra in _OPTIONAL.items():
        found = importlib.util.find_spec(package) is not None
        typer.echo(
            f"  ok       {package} {version(package)}"
            if found
            else f"  absent   {package}, optional: pip install 'edgekit[{extra}]'"
        )
    from edgekit.store import cache_root

    free = shutil.disk_usage(next(p for p in (cache_root(), *cache_root().parents) if p.exists())).free
    typer.echo(f"  cache    {cache_root()} ({free / 1024**3:.1f} GB free)")
    data = os.environ.get("EDGEKIT_DATA")
    state = "not set" if not data else data + ("" if Path(data).is_dir() else " (no such folder)")
    typer.echo(f"  data     EDGEKIT_DATA {state}")
    if deep and not missing:
        from edgekit import backend

        typer.echo(f"  device   tensorflow trains on {backend.device(backend.load('tensorflow'))}")
    if missing:
        raise MissingExtra(f"A build ({', '.join(missing)})", "all")
