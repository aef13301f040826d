"""What flows through a build: the work that is asked for, the results of its stages so far, and what a stage is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekit.bench.measure import Benched
from edgekit.pipeline.user_model import UserModel
from edgekit.recipe import Recipe
from edgekit.runs.folder import RunFolder
from edgekit.runs.stages import Stages
from edgekit.types import Artifact, Dataset, Evaluation, Gate, Report, Reporter, Selection, Split, TrainedModel

Until = Literal["curate", "train", "report"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """What is asked for: a build, or the compression of a model that comes from a file (`user`).

    recipe: with numbers for every "auto". folder: the run folder; None in a dry run, which writes nothing. lenient: the
    quantization ladder may judge a drop that the validation samples are too few for. build: `pipeline.build.build`, for stages
    that build other runs.
    """

    recipe: Recipe
    dataset: Dataset
    stages: Stages
    folder: RunFolder | None = None
    lenient: bool = False
    user: UserModel | None = None
    build: Callable[..., Report | None] | None = None

    @property
    def reporter(self) -> Reporter:
        return self.stages.reporter

    @property
    def run(self) -> RunFolder:
        """The run folder. Only stages that no dry run walks through ask for it."""
        assert self.folder is not None
        return self.folder

    def keep(self, source: Path, name: str) -> Path:
        """A copy of a stage's file in the run folder; in a dry run, the file itself."""
        return source if self.folder is None else self.folder.adopt(source, name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curated:
    """What curation leaves: the training set to train on (with new labels), the selection, and its summary.

    teacher_folder: the stage cache's, with teacher.keras, when curation trained one on all samples.
    """

    train: Split
    selection: Selection
    summary: Mapping[str, Any]
    teacher: TrainedModel | None
    teacher_folder: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network as a file. key: of what made it, for the keys of later stages. macs: of one sample, 0 = not counted."""

    path: Path
    key: str
    params: int
    macs: int
    sparsity: float = 0.0

    @property
    def twin(self) -> bool:
        """Whether it is a tf_keras model, rather than one of Keras 3."""
        return self.path.name.endswith(".tfkeras.keras")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Results:
    """The results of the stages so far; each stage returns a new one.

    curated: None where the model comes from a file, which is compressed on all training samples. teacher: curation's, or
    distillation's. soft_labels: the file of the teacher's predictions. trained: the stage's folder, where its parameters have
    yet to be merged. unpruned: the network as training (or the file) left it. network: the same after pruning.
    quantization_aware: after quantization-aware training. facts: what the report states of the steps. artifacts: the files,
    the one that ships the last .tflite. parity: by file name. benched: what the targets measured. control: the control arm's
    run folder. cross_validation: the pooled accuracy of the folds' files.
    """

    curated: Curated | None = None
    teacher: TrainedModel | None = None
    teacher_folder: Path | None = None
    soft_labels: Path | None = None
    trained: Path | None = None
    student: TrainedModel | None = None
    unpruned: Network | None = None
    network: Network | None = None
    quantization_aware: Network | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    files: Mapping[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)
    waveform: Artifact | None = None
    evaluations: tuple[Evaluation, ...] = ()
    cross_validation: Mapping[str, Any] | None = None
    reliability: Mapping[str, Any] = field(default_factory=dict)
    benched: Benched = field(default_factory=lambda: Benched(measurements=[]))
    control: Path | None = None
    comparisons: tuple[Mapping[str, Any], ...] = ()
    gates: tuple[Gate, ...] = ()
    report: Report | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a build or of a compression.

    name: in the timings and in the stage cache; name_in: where it depends on the work, as that of an export on its precision.
    title: what is announced; None = the stage announces itself what it does. reads: the sections of the recipe that its time
    depends on. when: whether this work has it. run: the work and what there is -> what there is then; None = `prepare` did it,
    before the folder was taken. cached: its result is in the stage cache. walks: a dry run can go through it, since all that is
    costly in it is cached. networks: (work) -> the names of the cached trainings inside it, before it and after it.
    """

    name: str
    reads: tuple[str, ...]
    run: Callable[[Work, Results], Results] | None
    title: Callable[[Work], str] | None = None
    when: Callable[[Work], bool] = lambda work: True
    cached: bool = False
    walks: bool = False
    networks: Callable[[Work], tuple[Sequence[str], Sequence[str]]] = lambda work: ((), ())
    name_in: Callable[[Work], str] | None = None

    def named(self, work: Work) -> str:
        """Its name in this work."""
        return self.name_in(work) if self.name_in else self.name


def training_set(work: Work, results: Results) -> Split:
    """The samples to train, fine-tune and calibrate on: the curated ones, or all where the model comes from a file."""
    return results.curated.train if results.curated else work.dataset.train


def loss_weights(work: Work, results: Results) -> NDArray[np.float32] | None:
    """(n,) weight of each such sample's loss in all trainings: curation's, and its class's."""
    from edgekit.training import stage

    if results.curated is None:
        return stage.weights_of(work.dataset.train.y, None, work.recipe.training)
    selection = results.curated.selection
    return stage.weights_of(selection.labels, selection.weights, work.recipe.training)
