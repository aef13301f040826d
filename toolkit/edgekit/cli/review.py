"""edgekit review: a run's training samples in the browser, to keep, drop or relabel; decisions that curate --apply takes."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[Path, typer.Argument(help="A run folder with a curation, of `edgekit curate` or `edgekit build`.")]
Port = Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 = one that is free.", min=0, max=65535)]
NoOpen = Annotated[bool, typer.Option("--no-open", help="Only print the address; do not open a browser.")]


def review(run: Run, port: Port = 0, no_open: NoOpen = False) -> None:
    """Look at the training samples in the browser, worst first, and keep, drop or relabel them by key; Ctrl-C ends it."""
    from edgekit.review import decisions, pictures, samples, server
    from edgekit.review.desk import Desk

    found = samples.read(run)
    with decisions.opened(run) as kept:
        typer.echo(f"Reading the data of {run} ...", err=True)
        desk = Desk(run.resolve().name, found, pictures.load(run, found), kept)
        with _until_interrupted() as ended, server.serving(desk, port) as served:
            typer.echo(
                f"{served.url}  ({len(found):,} {desk.pictures.noun}, {len(kept):,} decisions so far; Ctrl-C ends)"
            )
            sys.stdout.flush()
            if not no_open and _has_display():
                import webbrowser

                webbrowser.open(served.url)
            ended.wait()
        told = f"{len(kept):,} decision{'s' if len(kept) != 1 else ''}"
        if not len(kept):
            typer.echo("No decision was taken.")
            return
        command = ["edgekit", "curate", "--recipe", str(run / "recipe.yaml"), "--apply", str(kept.path), "--out", "DIR"]
        typer.echo(f"{told} in {kept.path}. To use them: {shlex.join(command)}")


def _has_display() -> bool:
    """Without one, webbrowser would start a browser in this terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


@contextmanager
def _until_interrupted() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set: the way a review ends, not an interruption of it."""
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
