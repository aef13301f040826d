"""A study from its file to study.json and study.html: plan, run, read, judge, write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import EdgekitError, IntegrityError, OutputInUse, TrainingError, UsageError
from edgekit.evidence.verdict import LEAST_SEEDS
from edgekit.report import study_page
from edgekit.runs.folder import MANIFEST, RunFolder
from edgekit.study import document
from edgekit.study.definition import Study
from edgekit.study.engines import Engine
from edgekit.study.prepare import prepared
from edgekit.study.schedule import Schedule
from edgekit.study.work import Work
from edgekit.types import Reporter

_MAY_CHANGE = ("max_hours",)


def conduct(study: Study, out: Path, engine: Engine, *, resume: bool, reporter: Reporter) -> dict[str, Any]:
    """Run what is missing of `study` in the folder `out`, and judge it.

    Returns:
        The content of study.json; `shortfall` shows whether the study is incomplete.

    Raises:
        OutputInUse: `out` is in use. UsageError: `resume`, but it contains another study.
        RecipeError, DataError: see `prepare.prepared`.
        IntegrityError: a file of a finished run changed.
    """
    out = out.resolve()
    # First the cheap checks: the data may be large.
    _same_study(out, study, resume)
    prepared_study = prepared(study)
    if len(study.seeds) < LEAST_SEEDS:
        reporter.warn(
            f"{len(study.seeds)} RNG seeds are described, not judged: a verdict needs {LEAST_SEEDS}, preferably 10 (seeds:)"
        )
    folder = RunFolder.open(out, resume=resume)
    try:
        folder.write("study.yaml", study.to_yaml())
        folder.save_manifest(status="running", study=study.model_dump(mode="json"))
        try:
            work = Work(prepared_study, out, reporter)
            outcomes = Schedule(
                prepared_study.plan.runs, out, engine, prepare=work.recipe, finished=work.finished, deadline=work.deadline,
                reporter=reporter,
            ).work()  # fmt: skip
        finally:
            engine.close()
        reporter.stage("Verdicts")
        content = document.assemble(prepared_study.plan, out, outcomes)
        folder.write_json("study.json", content)
        folder.write("study.html", study_page.render(content))
        whole = all(outcome.status in ("complete", "not needed") for outcome in outcomes.values())
        folder.save_manifest(status="complete" if whole else "incomplete")
    finally:
        folder.close()
    return content


def shortfall(document: Mapping[str, Any], out: Path) -> EdgekitError | None:
    """The error that a command ends with after showing `document` (study.json); None if the study is complete.

    IntegrityError: finished runs cannot be compared, e.g. because graphs differ. TrainingError: runs failed, or are missing.
    """
    broken = [row for row in document["not_judged"] if row["status"] == "broken"]
    if broken:
        row = broken[0]
        return IntegrityError(
            f"{len(broken)} comparisons cannot be judged, such as {row['arm']} against {row['control']} in {row['artifact']}: "
            f"{row['reason']}. See {out / 'study.json'}."
        )
    failed = [run for run in document["runs"] if run["status"] == "failed"]
    missing, total = document["outstanding"], len(document["runs"])
    reasons = []
    if failed:
        reasons.append(f"{len(failed)} of {total} runs failed, such as {failed[0]['name']}: {failed[0]['reason']}")
    if missing:
        reasons.append(f"{len(missing)} of {total} runs are missing; --resume runs the rest")
    if not reasons:
        return None
    if not any(run["status"] == "complete" for run in document["runs"]):
        reasons.insert(0, "no run of the study finished")
    text = "; ".join(part.rstrip(".") for part in reasons)
    return TrainingError(f"{text[0].upper()}{text[1:]}. See {out / 'study.json'}.")


def begun(out: Path) -> dict[str, Any] | None:
    """The study that the folder `out` was started with; None if it has none.

    Raises:
        UsageError: it is the folder of a build. IntegrityError: its manifest is damaged.
    """
    path = out / MANIFEST
    if not path.exists():
        return None
    try:
        manifest = json.loads(path.read_text())
    except ValueError:
        raise IntegrityError(f"{path} is not valid JSON; restore it or choose another --out.") from None
    if "recipe" in manifest:
        raise UsageError(f"{out} is the folder of a build; choose another --out for the study.")
    study: dict[str, Any] | None = manifest.get("study")
    return study


def _same_study(out: Path, study: Study, resume: bool) -> None:
    there = begun(out)
    if there is None:
        return
    if not resume:
        raise OutputInUse(f"{out} already contains a study: continue it with --resume, or choose another --out.")
    now = {key: value for key, value in study.model_dump(mode="json").items() if key not in _MAY_CHANGE}
    changed = list(_differing({key: there.get(key) for key in now}, now))
    if changed:
        why = "a study that grows until a verdict appears is not a test; " if there.get("seeds") != now["seeds"] else ""
        raise UsageError(
            f"--resume continues the study in {out}, but it changed since it was started: {'; '.join(changed)}. Undo that, or "
            f"start a new study in another --out ({why}finished stages come from the cache)."
        )


def _differing(there: Any, now: Any, at: str = "") -> Iterator[str]:
    """The dotted keys that differ, each with both values."""
    if isinstance(there, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*there, *now]):
            yield from _differing(there.get(key), now.get(key), f"{at}.{key}" if at else str(key))
    elif there != now:
        yield f"{at} (was {there}, now {now})"
