"""A study from its file to study.json and study.html: plan, run, read, judge, write."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgekit import curating, data
from edgekit.errors import DataError, EdgekitError, IntegrityError, UsageError
from edgekit.evidence.verdict import LEAST_SEEDS
from edgekit.recipe import Recipe
from edgekit.report import study_page
from edgekit.store import RunFolder
from edgekit.study import controls, document, matching
from edgekit.study.definition import Study
from edgekit.study.engines import Engine
from edgekit.study.plan import Plan, Run, plan, recipe_of
from edgekit.study.schedule import Schedule, Skip
from edgekit.types import Dataset, Reporter

_MAY_CHANGE = ("max_hours",)


def conduct(study: Study, out: Path, engine: Engine, *, resume: bool, reporter: Reporter) -> dict[str, Any]:
    """Run what is missing of `study` in the folder `out`, and judge it.

    Returns:
        The content of study.json.

    Raises:
        UsageError: `out` is in use, or `resume` and it holds another study.
        DataError: no run finished.
        IntegrityError: a file of a finished run was changed, or arms that should have one inference graph do not.
    """
    out = out.resolve()
    dataset, planned = prepared(study)
    if len(study.seeds) < LEAST_SEEDS:
        reporter.warn(
            f"{len(study.seeds)} RNG seeds are described, not judged: a verdict needs {LEAST_SEEDS}, better 10 (seeds:)"
        )
    folder = RunFolder.open(out, resume=resume)
    try:
        _same_study(folder, study)
        folder.write("study.yaml", study.to_yaml())
        folder.save_manifest(status="running", study=study.model_dump(mode="json"))
        try:
            work = _Work(planned, out, len(dataset.train), reporter)
            outcomes = Schedule(
                planned.runs, out, engine, prepare=work.recipe, finished=work.finished, deadline=work.deadline,
                reporter=reporter,
            ).work()  # fmt: skip
        finally:
            engine.close()
        reporter.stage("Verdicts")
        found = document.assemble(planned, out, outcomes, reporter)
        folder.write_json("study.json", found)
        folder.write("study.html", study_page.render(found))
        whole = all(outcome.status in ("complete", "not needed") for outcome in outcomes.values())
        folder.save_manifest(status="complete" if whole else "incomplete")
    finally:
        folder.close()
    if not any(outcome.status == "complete" for outcome in outcomes.values()):
        first = next((o.reason for o in outcomes.values() if o.status == "failed"), "none was begun")
        raise DataError(f"No run of the study finished: {first} What there is: {out / 'study.json'}")
    if found["graphs"]["mismatches"]:
        raise IntegrityError(f"{found['graphs']['mismatches'][0]} Not judged; see {out / 'study.json'}.")
    return found


def prepared(study: Study) -> tuple[Dataset, Plan]:
    """The data set of the base (with the first group left out), and the plan of all runs; everything is checked.

    Raises:
        EdgekitError: an arm's recipe, its budget or the data are not usable.
    """
    bare = plan(study).runs
    groups: Sequence[str] = ()
    if study.leave_out:
        whole = data.load_section(recipe_of(study, bare[0]).data, 0)
        known = {g for split in (whole.train, whole.val, whole.cal, whole.test) for g in _groups(split.group)}
        groups = sorted(known) if study.leave_out == "all" else study.leave_out
        if len(groups) < 2 and study.leave_out == "all":
            raise DataError(f"{whole.name} has {len(groups)} groups; leaving one out in turn needs at least 2.")
    planned = plan(study, groups)
    dataset: Dataset | None = None
    loaded = ""
    for run in planned.runs:
        if run.seed != study.seeds[0] or run.after:
            continue
        asked = recipe_of(study, run)
        section = asked.data.model_dump_json()
        if dataset is None or section != loaded:
            dataset, loaded = data.load_section(asked.data, asked.seed), section
        try:
            curating.check(asked, dataset)
        except EdgekitError as error:
            raise type(error)(f"Study arm {run.arm.name!r}: {error}") from None
    assert dataset is not None
    return dataset, planned


def _groups(column: Any) -> list[str]:
    return [] if column is None else [str(group) for group in column]


def _same_study(folder: RunFolder, study: Study) -> None:
    begun = folder.manifest.get("study")
    if begun is None:
        if "recipe" in folder.manifest:
            raise UsageError(f"{folder.path} is the folder of a build; choose another --out for the study.")
        return
    now = study.model_dump(mode="json")
    if changed := [key for key in now if key not in _MAY_CHANGE and begun.get(key) != now[key]]:
        raise UsageError(
            f"--resume continues the study in {folder.path}, which differs in {', '.join(changed)}. Begin a new one: a study "
            "that grows until a verdict comes is no test (finished stages come from the cache)."
        )


class _Work:
    """What the schedule asks of a study: recipes, and whether a run is finished."""

    def __init__(self, planned: Plan, out: Path, samples: int, reporter: Reporter) -> None:
        self._study, self._runs = planned.study, {run.name: run for run in planned.runs}
        self._out, self._samples, self._reporter = out, samples, reporter
        self._counted: dict[str, int] = {}
        hours = planned.study.max_hours
        self.deadline = None if hours is None else time.monotonic() + 3600 * hours

    def recipe(self, run: Run) -> Recipe | Skip:
        """The recipe of a run whose forerunner is complete, or why it is not run."""
        if run.after is None:
            return self._own(run)
        own, folder = self._own(self._runs[run.after]), self._out / "runs" / run.after
        nothing = Skip(status="not needed", reason=f"{run.after} dropped nothing, so all data is its control")
        if run.arm.kind == "random":
            return controls.random(own, folder) or nothing
        if run.arm.kind == "matched":
            return controls.matched(own, folder, self._out / "controls" / f"{run.name}.jsonl") or nothing
        longer = controls.same_total_flops(own, folder)
        if longer is None:
            return Skip(status="not needed", reason=f"the curation of {run.after} trained nothing")
        seconds = controls.expected_seconds(own, folder, longer)
        if self.deadline is not None and time.monotonic() + seconds > self.deadline:
            hours = seconds / 3600
            told = f"{longer.training.epochs:,} epochs, about {hours:.1f} hours, end after max_hours"
            return Skip(status="not run", reason=told)
        return longer

    def finished(self, run: Run, recipe: Recipe) -> bool:
        """Whether the run's folder is complete. Raises IntegrityError for a changed file, UsageError for another recipe's run."""
        path = self._out / "runs" / run.name
        if not (path / "manifest.json").exists():
            return False
        held = RunFolder.open(path, resume=True)
        try:
            if held.manifest.get("recipe") not in (None, recipe.to_yaml()):
                raise UsageError(f"{path} holds a run of another recipe; begin the study in a new --out.")
            if held.manifest.get("status") != "complete":
                return False
            held.verify()
            return True
        except IntegrityError as error:
            raise IntegrityError(f"{error} (Or remove {path}: the study makes the run again.)") from None
        finally:
            held.close()

    def _own(self, run: Run) -> Recipe:
        own = recipe_of(self._study, run)
        if self._study.match != "flops":
            return own
        base = recipe_of(self._study, next(r for r in self._base_runs() if r.seed == run.seed and r.group == run.group))
        return matching.matched(own, base, self._samples, self._count)

    def _base_runs(self) -> list[Run]:
        full = [run for run in self._runs.values() if run.arm.kind == "full"]
        return full or [run for run in self._runs.values() if run.arm.kind == "arm"]

    def _count(self, recipe: Recipe) -> int:
        key = recipe.student.model_dump_json()
        if key not in self._counted:
            self._reporter.note(f"counting the training FLOPs of {recipe.student.name}")
            self._counted[key] = matching.count(recipe)
        return self._counted[key]
