"""One run of a study in a separate process: OUT/jobs/NAME/recipe.yaml -> OUT/runs/NAME, by pipeline.build.

It writes progress.json while it works and outcome.json when it is done, next to the recipe. An interrupted run continues from
what is in its run folder, so a run may be started as often as needed.
"""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from edgekit.errors import EdgekitError, GateNotMet, NotLearned, OutputInUse
from edgekit.runs.files import write_atomic

_REPORT_EVERY_S = 0.5
_LOOK_EVERY_S = 0.5
_WAIT_FOR_THE_FOLDER_S = 15


class Progress:
    """A Reporter that keeps the latest message in progress.json."""

    def __init__(self, path: Path) -> None:
        self._path, self._title, self._reported_at = path, "", 0.0

    def stage(self, title: str) -> None:
        self._title = title
        self._report_progress(title, 0.0)

    def progress(self, done: int, total: int, text: str) -> None:
        if time.monotonic() - self._reported_at >= _REPORT_EVERY_S:
            self._report_progress(self._title, done / max(1, total))

    def note(self, text: str) -> None:
        print(text, flush=True)

    def warn(self, text: str) -> None:
        print(f"warning: {text}", flush=True)

    def _report_progress(self, title: str, share: float) -> None:
        self._reported_at = time.monotonic()
        print(f"{title} {share:.0%}", flush=True)
        write_atomic(self._path, json.dumps({"stage": title, "share": share}))


def main(out: Path, name: str, core: int | None = None) -> int:
    """Build run `name` of the study in `out`, on one core if `core` is given. Returns the exit status."""
    _end_with_the_parent()
    if core is not None and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core % len(cores)]})
    folder = out / "jobs" / name
    start = time.perf_counter()
    outcome: dict[str, Any] = {"status": "complete"}
    try:
        _build(folder / "recipe.yaml", out / "runs" / name, Progress(folder / "progress.json"))
    except EdgekitError as error:
        outcome = {"status": "failed", "error": str(error), "exit_code": error.exit_code}
    except Exception as error:
        import traceback

        traceback.print_exc()
        outcome = {"status": "failed", "error": f"{type(error).__name__}: {error}", "exit_code": 1}
    outcome["seconds"] = round(time.perf_counter() - start, 3)
    write_atomic(folder / "outcome.json", json.dumps(outcome))
    return int(outcome.get("exit_code", 0))


def _build(recipe_file: Path, run: Path, progress: Progress) -> None:
    from edgekit import recipe
    from edgekit.pipeline.build import build

    wanted = recipe.from_yaml(recipe_file.read_text())
    give_up = time.monotonic() + _WAIT_FOR_THE_FOLDER_S
    while True:
        try:
            build(wanted, run, resume=(run / "manifest.json").exists(), reporter=progress)
            return
        except OutputInUse:
            # A process that was just killed may not have released it yet.
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)
        except (GateNotMet, NotLearned) as missed:
            if missed.report is None:
                raise
            return  # the run is complete; a study judges it as it is


def _end_with_the_parent() -> None:
    """No process of a study outlives the one that started it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
