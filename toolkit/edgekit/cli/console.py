"""Progress of a build on stderr: a Rich progress bar with an ETA on a terminal, plain lines when piped."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from edgekit.notebook.progress import Text
from edgekit.types import Reporter


class _Live:
    """Rich progress bars; finished stages stay as a line."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._bar: Any = None
        self._title = ""

    def stage(self, title: str) -> None:
        self.close()
        self._title = title
        self._console.print(title, style="bold")

    def progress(self, done: int, total: int, text: str) -> None:
        from rich import progress

        if self._bar is None:
            self._bar = progress.Progress(
                progress.TextColumn("  "),
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TextColumn("{task.description}", markup=False),
                progress.TimeElapsedColumn(),
                progress.TextColumn("ETA"),
                progress.TimeRemainingColumn(),
                console=self._console,
            )
            self._bar.start()
            self._bar.add_task("", total=total)
        self._bar.update(self._bar.task_ids[0], completed=done, total=total, description=text)
        if done >= total:
            self.close()

    def note(self, text: str) -> None:
        self.close()
        self._console.print(f"  {text}", markup=False)

    def warn(self, text: str) -> None:
        self.close()
        self._console.print(f"  warning: {text}", style="yellow", markup=False)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class Console:
    """`with Console() as reporter:` gives the Reporter that fits stderr: a terminal or a pipe."""

    def __enter__(self) -> Reporter:
        self._reporter: Text | _Live = _Live() if sys.stderr.isatty() else Text()
        return self._reporter

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(self._reporter, _Live):
            self._reporter.close()
