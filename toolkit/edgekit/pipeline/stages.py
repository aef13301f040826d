"""The stages of a build and of a compression, in order: the one place that knows it.

`build` and `compress` run them, a dry run walks through those that the cache holds, and the history of earlier runs reads what
each one's time depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

from edgekit.pipeline import compression, control, curate, export, finish, student
from edgekit.pipeline.values import Results, Stage, Until, Work

_TEACHER = ("teacher", "backend", "deterministic")
_TRAINING = ("training", "student", "distillation", "peft")
_FILES = ("student", "peft", "training", "pruning", "quantization")


def _built(when: Callable[[Work], bool] = lambda work: True) -> Callable[[Work], bool]:
    """Of a build alone: the model does not come from a file."""
    return lambda work: work.user is None and when(work)


STAGES: tuple[Stage, ...] = (
    Stage(name="data", reads=("data",), run=None),
    Stage(name="model", reads=(), run=None, when=lambda work: work.user is not None),
    Stage(
        name="curation",
        reads=("curation", "teacher"),
        run=curate.run,
        when=_built(),
        networks=curate.networks,
        walks=True,
    ),
    Stage(
        name="teacher",
        reads=_TEACHER,
        run=student.teacher,
        when=_built(lambda work: bool(work.recipe.distillation.alpha)),
        cached=True,
    ),
    Stage(
        name="distillation",
        reads=("teacher", "distillation", "training", "backend"),
        run=student.soft_labels,
        when=_built(lambda work: bool(work.recipe.distillation.alpha)),
        cached=True,
    ),
    Stage(
        name="training",
        reads=(*_TRAINING, "curation", "backend", "deterministic"),
        run=student.train,
        when=_built(),
        cached=True,
    ),
    Stage(
        name="merge",
        reads=_FILES,
        run=student.merge,
        when=_built(lambda work: work.recipe.peft.method != "none"),
        cached=True,
    ),
    Stage(
        name="channel_pruning",
        reads=_FILES,
        run=compression.remove_channels,
        when=lambda work: bool(work.recipe.pruning.channels),
        cached=True,
    ),
    Stage(
        name="pruning",
        reads=_FILES,
        run=compression.prune,
        when=lambda work: bool(work.recipe.pruning.sparsity),
        cached=True,
    ),
    Stage(
        name="qat",
        reads=_FILES,
        run=compression.quantize_aware,
        when=lambda work: work.recipe.quantization.precision == "int8-qat",
        cached=True,
    ),
    Stage(name="export_float32", reads=_FILES, run=export.float32, cached=True),
    Stage(name="export", reads=_FILES, run=export.export, when=export.has_second, name_in=export.name_of, cached=True),
    Stage(
        name="ladder",
        reads=_FILES,
        run=export.climb,
        when=lambda work: work.recipe.quantization.precision == "auto",
        cached=True,
    ),
    Stage(
        name="waveform",
        reads=_FILES,
        run=export.add_waveform,
        when=lambda work: work.recipe.quantization.waveform and work.dataset.input.front_end is not None,
    ),
    Stage(name="evaluation", reads=_FILES, run=finish.evaluate, title=lambda work: "Evaluation of the files"),
    Stage(
        name="cross_validation",
        reads=_FILES,
        run=finish.cross_validate,
        when=_built(lambda work: work.recipe.data.cv is not None and work.recipe.data.fold is None),
    ),
    Stage(
        name="reliability",
        reads=_FILES,
        run=finish.calibrate,
        title=lambda work: "Temperature and operating threshold",
    ),
    Stage(
        name="bench",
        reads=("student", "pruning", "quantization", "bench"),
        run=finish.bench,
        title=lambda work: f"Benchmark on {', '.join(work.recipe.bench.targets)}",
        when=lambda work: bool(work.recipe.bench.targets),
    ),
    Stage(
        name="control",
        reads=(*_TRAINING, "curation", "pruning", "quantization", "backend"),
        run=control.build_control,
        when=_built(lambda work: work.recipe.control),
    ),
    Stage(name="report", reads=_FILES, run=finish.write_report, title=lambda work: "Report"),
)


# The last stage of each command that ends early.
LAST: Mapping[Until, str] = {"curate": "curation", "train": "merge", "report": "report"}


def run(work: Work, results: Results, until: Until = "report") -> Results:
    """Run the stages of `work`, in order, up to the one that `until` ends with.

    Raises:
        EdgekitError: as the stage raised it.
    """
    for stage in STAGES:
        if stage.run is not None and stage.when(work):
            with work.stages.timed(stage.named(work), stage.title(work)) if stage.title else nullcontext():
                results = stage.run(work, results)
        if stage.name == LAST[until]:
            break
    return results


def walk(work: Work, results: Results) -> None:
    """Go through the stages whose results the cache may hold. Raises NotCached at the first that it does not hold."""
    for stage in STAGES:
        if stage.run is None or not stage.when(work):
            continue
        if not (stage.cached or stage.walks):
            break
        results = stage.run(work, results)


def sections_of(name: str) -> tuple[str, ...]:
    """The sections of the recipe that the time of stage `name`, or of a network that curation trains, depends on."""
    for stage in STAGES:
        if name == stage.name or (stage.name_in and name.startswith(f"{stage.name}_")):
            return stage.reads
    if name == "embeddings":
        return ("student", "peft", "training", "backend")
    return _TEACHER


def rows(work: Work) -> Sequence[tuple[str, bool]]:
    """The names of what `work` will do, in order, each with whether the stage cache keeps its result."""
    names: list[tuple[str, bool]] = []
    for stage in STAGES:
        if not stage.when(work):
            continue
        before, after = stage.networks(work)
        names += [(name, True) for name in before]
        names.append((stage.named(work), stage.cached))
        names += [(name, True) for name in after]
    return list(dict.fromkeys(names))
