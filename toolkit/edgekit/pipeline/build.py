"""build(recipe) -> Report: the stages of pipeline/stages.py, into a run folder.

Each costly stage is cached under everything that it depends on, so a change elsewhere, or a kill, costs only what really has to
be done again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgekit.bench import stage as benching
from edgekit.errors import IntegrityError
from edgekit.pipeline import finish, prepare, stages
from edgekit.pipeline.values import Results, Until, Work
from edgekit.recipe import Recipe
from edgekit.runs import latest
from edgekit.runs.environment import environment
from edgekit.runs.files import sha256_file
from edgekit.runs.folder import RunFolder
from edgekit.runs.stages import Stages
from edgekit.students.pretrained import public
from edgekit.types import Dataset, Report, Reporter, Silent

_STATUS: Mapping[Until, str] = {"curate": "curated", "train": "trained", "report": "complete"}


def build(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    force: bool = False,
    lenient: bool | None = None,
    until: Until = "report",
    reporter: Reporter | None = None,
) -> Report | None:
    """Run the stages of `recipe` into the run folder `out`.

    Args:
        resume: `out` holds an unfinished run of the same recipe; finished stages come from the cache.
        force: replace the run that `out` holds (files the user changed there stay).
        lenient: let the quantization ladder judge a drop that validation is too small for; None = as `force`.
        until: the last stage to run; "curate" and "train" leave a folder that `resume` continues.

    Returns:
        The Report, or None when `until` ends before it.

    Raises:
        EdgekitError: see edgekit.errors; GateNotMet only after the report was written.
    """
    prepare.check_targets(recipe)
    lenient, timed = force if lenient is None else lenient, Stages(reporter or Silent())
    chosen, dataset = prepare.load(recipe, timed, lenient=lenient)
    folder = RunFolder.open(out, resume=resume, force=force, status="running", recipe=recipe.to_yaml(), **environment())
    try:
        _begin(folder, chosen, dataset)
        work = Work(recipe=chosen, dataset=dataset, folder=folder, stages=timed, lenient=lenient, build=build)
        results = stages.run(work, Results(), until)
        if until != "report":
            folder.save_manifest(timings=timed.timings)
        folder.save_manifest(status=_STATUS[until], peak_rss_bytes=timed.peak_rss_bytes)
        latest.point_to(folder.path)
        if until != "report":
            return None
        if chosen.bench.targets:
            benching.hint(chosen.bench, timed.reporter)
        finish.errors(work, results)
        return results.report
    finally:
        folder.close()


def _begin(folder: RunFolder, recipe: Recipe, dataset: Dataset) -> None:
    """Note what the run is of. Raises IntegrityError: a resumed run was started with other data."""
    known = folder.manifest.setdefault("dataset_fingerprint", dataset.fingerprint)
    if known != dataset.fingerprint:
        raise IntegrityError(
            f"The data of {recipe.data.spec} changed since run {folder.path} was started; start a new run."
        )
    folder.write("recipe.yaml", recipe.to_yaml())
    start = public.start_of(recipe.student, dataset.input.shape)
    folder.save_manifest(seeds=[recipe.seed], weights_sha256=sha256_file(start) if start else None)
