"""edgekit cache: how large the stage cache is, and clearing it."""

from __future__ import annotations

import typer

app = typer.Typer(help="The stage cache: finished stages that later builds reuse.", no_args_is_help=True)


@app.command("size")
def size() -> None:
    """Print where the stage cache is and how large."""
    from edgekit.store import StageCache

    cache = StageCache()
    typer.echo(f"{cache.root}: {cache.size_bytes() / 1024**2:.1f} MB")


@app.command("clear")
def clear() -> None:
    """Remove all cached stages. Runs are not touched; the next build computes everything again."""
    from edgekit.store import StageCache

    cache = StageCache()
    typer.echo(f"{cache.root}: freed {cache.clear() / 1024**2:.1f} MB")
