"""edgekit cache: how large the stage cache is, and clearing it."""

from __future__ import annotations

import typer

from edgekit.cli.help import Command, Group, examples

app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
_EXAMPLES = examples("edgekit cache size", "edgekit cache clear")


@app.command("size", cls=Command, epilog=_EXAMPLES)
def size() -> None:
    """Show where the stage cache is and how large it is."""
    from edgekit.runs.cache import StageCache

    cache = StageCache()
    typer.echo(f"{cache.root}: {cache.size_bytes() / 1024**2:.1f} MB")


@app.command("clear", cls=Command, epilog=_EXAMPLES)
def clear() -> None:
    """Remove all cached stages. Runs stay; the next build computes everything again."""
    from edgekit.runs.cache import StageCache

    cache = StageCache()
    typer.echo(f"{cache.root}: freed {cache.clear() / 1024**2:.1f} MB")
