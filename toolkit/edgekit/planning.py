"""What a build would do, without doing it: its stages in order, which are cached, and what each took before on this machine.

The stages' own code says what is cached: it runs with `_Foreseen`, which takes results from the cache and stops at the first
that is not there. What comes after depends on that result, so its key is not known.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgekit import curating, data, modeling, packaging
from edgekit.past import Past, Took
from edgekit.recipe import CurationSection, Recipe
from edgekit.stages import Stages
from edgekit.store import RunFolder
from edgekit.students.choose import choose
from edgekit.training import budget
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
    """The stages of a build of `recipe`, in order. Writes nothing.

    Args:
        runs: the folder with earlier runs; the stage cache is asked too.

    Raises:
        EdgekitError: what the build would be refused for before its first training.
    """
    curating.check(recipe, dataset)
    recipe = resolved(recipe, dataset)
    states = _walk(recipe, dataset)
    past = Past(runs, dataset.fingerprint)
    steps = []
    for name, cacheable in stages_of(recipe, dataset):
        state: State = "to run" if not cacheable else states.get(name, "follows")
        steps.append(Step(name=name, state=state, took=None if state == "cached" else past.took(name, recipe)))
    return steps


def stages_of(recipe: Recipe, dataset: Dataset) -> list[tuple[str, bool]]:
    """The names of the stages of a build, in order, each with whether the stage cache keeps its result."""
    section, front_end = recipe.curation, dataset.input.front_end
    trained, pruning, quantization = _signals(recipe, section, dataset), recipe.pruning, recipe.quantization
    names = [("data", False), *((name, True) for name in trained), ("curation", False)]
    for repeat in range(1, section.repeats + 1):
        names += [(f"repeat_{repeat}_{name}", True) for name in trained if name not in ("training", "embeddings")]
    if recipe.distillation.alpha:
        names += [("teacher", True), ("distillation", True)]
    names += [("training", True)]
    names += [("merge", True)] if recipe.peft.method != "none" else []
    names += [("channel_pruning", True)] if pruning.channels else []
    names += [("pruning", True)] if pruning.sparsity else []
    names += [("qat", True)] if quantization.precision == "int8-qat" else []
    for precision in dict.fromkeys(("float32", quantization.precision)):
        names.append(("ladder" if precision == "auto" else f"export_{precision}", True))
    names += [("waveform", False)] if quantization.waveform and front_end else []
    names += [("evaluation", False)]
    names += [("cross_validation", False)] if recipe.data.cv and recipe.data.fold is None else []
    names += [("reliability", False)]
    names += [("bench", False)] if recipe.bench.targets else []
    names += [("control", False)] if recipe.control else []
    return list(dict.fromkeys([*names, ("report", False)]))


def _signals(recipe: Recipe, section: CurationSection, dataset: Dataset) -> list[str]:
    """The trainings whose networks tell the curation about the samples."""
    needs = curating.needed(section, recipe, dataset) if section.method != "none" else ()
    folds = curating.folds_of(recipe, dataset) if "folds" in needs else 0
    if recipe.student.frozen and set(needs) - {"digests"}:
        return [*(["training"] if recipe.peft.method != "none" else []), "embeddings"]
    found = ["teacher"] if {"teacher", "dynamics"} & set(needs) else []
    found += [f"fold_{number + 1}" for number in range(folds)]
    return found + (["threshold_1", "threshold_2"] if "threshold" in needs else [])


def resolved(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe that a build works with: every "auto" that the data decide before any training is decided."""
    if recipe.student.name == "auto":
        name, width, _ = choose(dataset.input.shape, len(dataset.classes), recipe.student.max_size)
        student = recipe.student.model_copy(update={"name": name, "width": width})
        recipe = recipe.model_copy(update={"student": student})
    recipe = recipe.model_copy(update={"data": data.resolved(recipe.data, dataset)})
    return budget.sized(recipe, dataset.class_counts, dataset.input)


def _walk(recipe: Recipe, dataset: Dataset) -> Mapping[str, State]:
    """The stages that were reached: cached, and the first that is not."""
    stages = _Foreseen()
    with contextlib.suppress(_NotThere), tempfile.TemporaryDirectory() as empty:
        folder = _Nowhere(Path(empty))
        curated = curating.curate(recipe, dataset, folder, stages)
        made = modeling.train(recipe, dataset, curated, folder, stages)
        modeling.compress(recipe, dataset, curated, made, folder, stages)
        packaging.export(recipe, dataset, curated, made, folder, stages, force=True)
    return stages.states


class _NotThere(Exception):
    """A result that the cache does not hold, so that the walk ends."""


class _Foreseen(Stages):
    """Stages that are looked up, not run."""

    def __init__(self) -> None:
        super().__init__(Silent())
        self.states: dict[str, State] = {}

    @contextlib.contextmanager
    def timed(self, name: str, title: str) -> Iterator[None]:
        yield

    def cached(self, name: str, title: str, key: Mapping[str, Any], work: Callable[[Path], None]) -> Path:
        if not self.cache.has(name, key):
            self.states[name] = "to run"
            raise _NotThere(name)
        self.states[name] = "cached"
        return self.cache.folder(name, key)


class _Nowhere(RunFolder):
    """A run folder that keeps nothing: files of the cache stay where they are."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, -1, {"files": {}})

    def write(self, name: str, content: bytes | str) -> Path:
        return self.path / name

    def adopt(self, source: Path, name: str) -> Path:
        return source

    def record(self, name: str) -> None:
        return None

    def save_manifest(self, **facts: Any) -> None:
        return None


def told(steps: Sequence[Step]) -> Iterator[str]:
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
