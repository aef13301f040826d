"""Run by run: what may start, what ended and how, and one progress line for all. Engines only start processes.

A run starts once the run that determines its recipe is done, and no other run is working on a costly stage that both need (a
teacher, the folds): the first one leaves it in the stage cache for all. A killed process is restarted once; the run folder and
the stage cache keep what it had done.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.recipe import Recipe
from edgekit.runs.files import write_atomic
from edgekit.study.engines import Engine
from edgekit.study.plan import Run, shared_stages
from edgekit.types import Reporter

_POLL_S = 0.1
_SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended. status: complete, failed, not needed (its arm dropped nothing) or not run; reason: for all but complete.

    attempts: processes that it took in this session, 0 if it was finished before or never started.
    """

    status: str
    reason: str = ""
    seconds: float | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Why a run is not started."""

    status: str
    reason: str


class Schedule:
    """The runs of a study in `out` on an engine.

    Args:
        prepare: the recipe of a run whose `after` is complete, or why it is not started.
        finished: whether a run with that recipe is already complete and verified.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        out: Path,
        engine: Engine,
        *,
        prepare: Callable[[Run], Recipe | Skip],
        finished: Callable[[Run, Recipe], bool],
        deadline: float | None,
        reporter: Reporter,
    ) -> None:
        self._waiting = list(runs)
        self._total = len(runs)
        self._out, self._engine, self._reporter = out, engine, reporter
        self._prepare, self._finished, self._deadline = prepare, finished, deadline
        self._prepared: dict[str, Recipe] = {}
        self._running: dict[str, Run] = {}
        self._attempts: dict[str, int] = {}
        self._running_stages: dict[str, frozenset[str]] = {}
        self._done_stages: set[str] = set()
        self._shown = ""
        self.outcomes: dict[str, Outcome] = {}

    def work(self) -> dict[str, Outcome]:
        """Run everything; returns the outcome of each run by its name."""
        title = f"Study of {self._total} runs, {self._engine.slots} at a time"
        self._reporter.stage(title)
        while self._waiting or self._running:
            self._begin()
            for name, how in self._engine.ended().items():
                self._end(name, how)
            self._show()
            if self._running:
                time.sleep(_POLL_S)
        return self.outcomes

    def _begin(self) -> None:
        for run in list(self._waiting):
            if len(self._running) >= self._engine.slots:
                return
            needed = self.outcomes.get(run.after) if run.after else None
            if run.after and needed is None:
                continue
            if needed and needed.status != "complete":
                why = f"it waits for {run.after}, which {_outcome_text(needed)}"
                self._close(run, Outcome(status="not run", reason=why))
                continue
            recipe = self._recipe(run)
            if recipe is None:
                continue
            shared = shared_stages(recipe)
            if self._finished(run, recipe):
                self._done_stages |= shared
                self._close(run, Outcome(status="complete", seconds=self._seconds(run)))
            elif self._deadline is not None and time.monotonic() > self._deadline:
                self._close(run, Outcome(status="not run", reason="max_hours was exceeded"))
            elif not (shared - self._done_stages) & frozenset().union(*self._running_stages.values()):
                self._waiting.remove(run)
                self._running_stages[run.name] = shared - self._done_stages
                self._start(run, recipe)

    def _recipe(self, run: Run) -> Recipe | None:
        if run.name not in self._prepared:
            prepared = self._prepare(run)
            if isinstance(prepared, Skip):
                self._close(run, Outcome(status=prepared.status, reason=prepared.reason))
                return None
            self._prepared[run.name] = prepared
        return self._prepared[run.name]

    def _start(self, run: Run, recipe: Recipe) -> None:
        folder = self._out / "jobs" / run.name
        write_atomic(folder / "recipe.yaml", recipe.to_yaml())
        for left in ("outcome.json", "progress.json"):
            (folder / left).unlink(missing_ok=True)
        self._running[run.name] = run
        self._attempts[run.name] = self._attempts.get(run.name, 0) + 1
        self._engine.start(run.name, self._out)

    def _end(self, name: str, how: str) -> None:
        run = self._running.pop(name)
        path = self._out / "jobs" / name / "outcome.json"
        attempts = self._attempts[name]
        if not path.exists():
            if attempts < 2:
                self._reporter.warn(f"{name}: its process {how} and left no outcome; it is restarted once")
                self._start(run, self._prepared[name])
                return
            outcome = Outcome(
                status="failed", reason=f"two processes ended without an outcome; the last {how}", attempts=attempts
            )
        else:
            document = json.loads(path.read_text())
            outcome = Outcome(
                status=document["status"],
                reason=document.get("error", ""),
                seconds=document["seconds"],
                attempts=attempts,
            )
        stages = self._running_stages.pop(name)
        if outcome.status == "complete":
            self._done_stages |= stages
        self._close(run, outcome)

    def _close(self, run: Run, outcome: Outcome) -> None:
        if run in self._waiting:
            self._waiting.remove(run)
        self.outcomes[run.name] = outcome
        count = f"{len(self.outcomes)} of {self._total}"
        seconds = "" if outcome.seconds is None else f", {outcome.seconds:.0f} s"
        if outcome.status == "failed":
            self._reporter.warn(f"{count}: {run.name} failed: {outcome.reason}")
        elif outcome.status == "complete":
            self._reporter.note(
                f"{count}: {run.name} " + (f"done{seconds}" if outcome.attempts else "was already done")
            )
        else:
            self._reporter.note(f"{count}: {run.name} {outcome.status}: {outcome.reason}")

    def _seconds(self, run: Run) -> float | None:
        try:
            return float(json.loads((self._out / "jobs" / run.name / "outcome.json").read_text())["seconds"])
        except (OSError, ValueError, KeyError):
            return None

    def _show(self) -> None:
        """The stage of every running process, in the line of the progress bar."""
        parts = []
        for name in list(self._running)[:_SHOWN]:
            try:
                progress = json.loads((self._out / "jobs" / name / "progress.json").read_text())
                parts.append(f"{name}: {progress['stage'].split(',')[0]} {progress['share']:.0%}")
            except (OSError, ValueError, KeyError):
                parts.append(f"{name}: starting")
        more = len(self._running) - _SHOWN
        text = "  ".join(parts) + (f"  and {more} more" if more > 0 else "")
        if text != self._shown and self.outcomes:
            self._shown = text
            self._reporter.progress(len(self.outcomes), self._total, text)


def _outcome_text(outcome: Outcome) -> str:
    return "failed" if outcome.status == "failed" else f"was {outcome.status}"
