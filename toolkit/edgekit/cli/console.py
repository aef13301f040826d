"""How far a build is, on stderr: a Rich progress bar with an ETA on a terminal, plain lines when piped."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from edgekit.types import Reporter


class _Plain:
    """One line a stage, and at each tenth of it."""

    def __init__(self) -> None:
        self._tenth, self._start = 0, 0.0

    def stage(self, title: str) -> None:
        self._tenth, self._start = 0, time.perf_counter()
        self._say(title)

    def progress(self, done: int, total: int, text: str) -> None:
        if (tenth := 10 * done // total) > self._tenth:
            self._tenth = tenth
            left = (time.perf_counter() - self._start) * (total - done) / done
            self._say(f"  {done:,}/{total:,}  {text}" + (f"  about {left:.0f} s left" if done < total else ""))

    def note(self, text: str) -> None:
        self._say(f"  {text}")

    def warn(self, text: str) -> None:
        self._say(f"  warning: {text}")

    @staticmethod
    def _say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)


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
    """`with Console() as reporter:` gives the Reporter that fits where stderr goes."""

    def __enter__(self) -> Reporter:
        self._reporter: _Plain | _Live = _Live() if sys.stderr.isatty() else _Plain()
        return self._reporter

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(self._reporter, _Live):
            self._reporter.close()
