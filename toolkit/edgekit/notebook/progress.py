"""Progress of a build started from Python: a bar in a Jupyter notebook, lines of text on stderr elsewhere.

Every notebook has IPython's own display; the bars of Rich and tqdm would need ipywidgets there.
"""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol

from edgekit.notebook.html import Markup, bar, card, element

_UPDATE_S = 0.2


class ProgressReporter(Protocol):
    """The interface of `edgekit.types.Reporter`."""

    def stage(self, title: str) -> None: ...

    def progress(self, done: int, total: int, text: str) -> None: ...

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


def chosen() -> ProgressReporter:
    """The reporter for the current environment: `Notebook` in a Jupyter kernel, `Text` anywhere else."""
    # A process in a kernel has already imported IPython; others should not wait for it.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return Notebook() if getattr(shell, "kernel", None) is not None else Text()


class Text:
    """Lines on stderr: one per stage, and one at each tenth of it."""

    def __init__(self) -> None:
        self._tenth, self._start = 0, 0.0

    def stage(self, title: str) -> None:
        self._tenth, self._start = 0, time.perf_counter()
        self._write_line(title)

    def progress(self, done: int, total: int, text: str) -> None:
        if (tenth := 10 * done // total) > self._tenth:
            self._tenth = tenth
            left = (time.perf_counter() - self._start) * (total - done) / done
            self._write_line(f"  {done:,}/{total:,}  {text}" + (f"  about {left:.0f} s left" if done < total else ""))

    def note(self, text: str) -> None:
        self._write_line(f"  {text}")

    def warn(self, text: str) -> None:
        self._write_line(f"  warning: {text}")

    @staticmethod
    def _write_line(line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class Notebook:
    """One output in the cell, rewritten as the build proceeds: stages with their notes, and a bar for the current one."""

    def __init__(self) -> None:
        self._lines: list[Markup] = []
        self._bar: Markup | None = None
        self._start = self._shown = 0.0
        self._display: Any = None

    def stage(self, title: str) -> None:
        self._bar, self._start = None, time.perf_counter()
        self._lines.append(element("div", title, style="font-weight:600;"))
        self._show()

    def progress(self, done: int, total: int, text: str) -> None:
        seconds = time.perf_counter() - self._start
        left = f", about {seconds * (total - done) / done:.0f} s left" if 0 < done < total else ""
        self._bar = element("div", bar(done, total), f" {done:,}/{total:,}  {text}{left}")
        if done >= total or time.perf_counter() - self._shown > _UPDATE_S:
            self._show()

    def note(self, text: str) -> None:
        self._lines.append(element("div", text, style="padding-left:1em;"))
        self._show()

    def warn(self, text: str) -> None:
        self._lines.append(element("div", f"warning: {text}", style="padding-left:1em;font-weight:600;"))
        self._show()

    def _show(self) -> None:
        from IPython.display import HTML, display

        self._shown = time.perf_counter()
        page = HTML(card("edgekit", *self._lines, self._bar))
        if self._display is None:
            self._display = display(page, display_id=True)
        else:
            self._display.update(page)
