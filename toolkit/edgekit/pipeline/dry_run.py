"""What a build would do, without doing it: its stages in order, which are cached, and what each took before on this machine.

The stages themselves say what is cached: they run without a run folder, take results from the cache, and end at the first that is
not there. What comes after depends on that result, so its key is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgekit.pipeline import curate, prepare, stages
from edgekit.pipeline.history import History, Took
from edgekit.pipeline.values import Results, Work
from edgekit.recipe import Recipe
from edgekit.runs.stages import NotCached, Stages
from edgekit.types import Dataset, Silent

State = Literal["cached", "to run", "follows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stage of a build to come. took: what it took in earlier runs, None = not known yet, or nothing since it is cached.

    state: "follows" = it depends on stages that have yet to run; the cache may have it all the same.
    """

    name: str
    state: State
    took: Took | None = None


def plan(recipe: Recipe, dataset: Dataset, runs: Path = Path("runs")) -> list[Step]:
    """The stages of a build of `recipe`, in order. Writes nothing but the index of sources in the cache, where there is one.

    Args:
        runs: the folder with earlier runs; the stage cache is asked too.

    Raises:
        EdgekitError: what the build would be refused for before its first training.
    """
    curate.check(recipe, dataset)
    recipe = prepare.resolved(recipe, dataset)
    looked_up = Stages(Silent(), dry=True)
    work = Work(recipe=recipe, dataset=dataset, stages=looked_up, lenient=True)
    missing = None
    try:
        stages.walk(work, Results())
    except NotCached as error:
        missing = error.name
    past, steps = History(runs, dataset.fingerprint), []
    for name, cacheable in stages.rows(work):
        state: State = "to run" if not cacheable or name == missing else "follows"
        if cacheable and name in looked_up.reused and name != missing:
            state = "cached"
        steps.append(Step(name=name, state=state, took=None if state == "cached" else past.took(name, recipe)))
    return steps


def lines(steps: Sequence[Step]) -> Iterator[str]:
    """The plan as lines for people: one a stage, and a sum of what is known."""
    yield f"{'stage':<20} {'state':<8} {'time':>11}  {'memory':>10}  compute, as in earlier runs on this machine"
    for step in steps:
        took = step.took
        if step.state == "cached":
            yield f"{step.name:<20} {'cached':<8}"
        elif took is None:
            yield f"{step.name:<20} {step.state:<8} not known yet"
        else:
            peak = f"{took.peak_rss_bytes / 1024**3:.1f} GB" if took.peak_rss_bytes else "not known"
            flops = f"{took.train_flops:.2g} FLOPs, " if took.train_flops else ""
            yield f"{step.name:<20} {step.state:<8} {took.seconds:>9.1f} s  {peak:>10}  {flops}from {took.runs} before"
    known = [step.took.seconds for step in steps if step.took]
    unknown = sum(step.took is None and step.state != "cached" for step in steps)
    yield f"known: {sum(known):.1f} s for {len(known)} stages; not known yet: {unknown} stages"
    if any(step.state == "follows" for step in steps):
        yield "follows: depends on the stages before it, and may turn out to be cached; memory: of the process by the stage's end"
