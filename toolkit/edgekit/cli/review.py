"""edgekit review: a run's training samples in the browser, to keep, drop or relabel; curate --apply uses the decisions."""

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

Run = Annotated[
    Path, typer.Argument(metavar="RUN", help="Run folder of `edgekit curate`, or of `edgekit build` with curation.")
]
Port = Annotated[int, typer.Option(metavar="PORT", help="Port on 127.0.0.1; 0 picks a free one.", min=0, max=65535)]
NoOpen = Annotated[bool, typer.Option("--no-open", help="Only print the address; do not open a browser.")]


def review(run: Run, port: Port = 0, no_open: NoOpen = False) -> None:
    """Review the training samples in the browser, worst first: keep, drop or relabel them with single keys.

    Ctrl-C ends the review. `edgekit curate --apply` uses your decisions.
    """
    from edgekit.review import decisions, pictures, samples, server
    from edgekit.review.session import ReviewSession

    rows = samples.read(run)
    with decisions.opened(run) as kept:
        typer.echo(f"Reading the data of {run} ...", err=True)
        session = ReviewSession(run.resolve().name, rows, pictures.load(run, rows), kept)
        with _until_interrupted() as ended, server.serving(session, port) as served:
            typer.echo(
                f"{served.url}  ({len(rows):,} {session.pictures.noun}, {len(kept):,} decisions so far; Ctrl-C ends)"
            )
            sys.stdout.flush()
            if not no_open and _has_display():
                import webbrowser

                webbrowser.open(served.url)
            ended.wait()
        count = f"{len(kept):,} decision{'s' if len(kept) != 1 else ''}"
        if not len(kept):
            typer.echo("No decisions were made.")
            return
        command = ["edgekit", "curate", "--recipe", str(run / "recipe.yaml"), "--apply", str(kept.path), "--out", "DIR"]
        typer.echo(f"{count} in {kept.path}. To use them: {shlex.join(command)}")


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
