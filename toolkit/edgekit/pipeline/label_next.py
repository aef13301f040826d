"""What to label next: a teacher on the labeled data ranks an unlabeled pool, and the choice is written as JSON lines."""

from __future__ import annotations

from pathlib import Path

from edgekit import data, registry
from edgekit.curation import pool as pools
from edgekit.data.splits import clips_of
from edgekit.errors import DataError, OutputInUse, UsageError
from edgekit.frameworks import backend
from edgekit.inference.evaluate import means
from edgekit.recipe import Recipe
from edgekit.runs.files import canonical_json, write_atomic
from edgekit.runs.stages import Stages
from edgekit.training import budget, jobs, signals, stage
from edgekit.types import Dataset, Pool, Reporter, Silent, Split


def label_next(
    recipe: Recipe, pool: str, count: int, strategy: str, path: Path, *, reporter: Reporter | None = None
) -> list[pools.ToLabel]:
    """Choose `count` samples of the pool at `pool` and write them to `path`, first to label first.

    A line is {"id", "rank", "score", "suggested": the teacher's class name, "strategy"}.

    Raises:
        OutputInUse: `path` exists. UsageError: its folder does not.
        UnknownName: no such strategy.
        DataError: the pool or the data cannot be read, or `count` is out of range.
        TrainingError: the teacher's training diverged.
    """
    registry.check("pools", strategy)
    if path.exists():
        raise OutputInUse(f"{path} exists; name another file with --out.")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path.absolute().parent} is no folder; --out names the file to write.")
    stages = Stages(reporter or Silent())
    with stages.timed("data", "Data"):
        dataset = data.load_section(recipe.data, recipe.seed)
        recipe = budget.sized(recipe, dataset.class_counts, dataset.input)
        unlabeled, skipped = data.load_pool(
            pool, shape=dataset.input.shape, skip_bad=recipe.data.skip_bad, front_end=dataset.input.front_end
        )
        stages.reporter.note(f"{dataset.source}: {len(dataset.train):,} labeled; pool: {len(unlabeled):,} unlabeled")
        if skipped:
            stages.reporter.warn(f"{len(skipped)} files of the pool cannot be read and are left out")
    most = len(clips_of(unlabeled)[0])
    if not 1 <= count <= most:
        raise DataError(f"A label budget of {count} does not fit a pool of {most:,}; give 1 to {most:,}.")
    seen = as_pool(recipe, dataset, unlabeled, stages)
    with stages.timed("rank", f"Ranking by {strategy}"):
        rows = pools.label_next(seen, strategy, count, recipe.seed)
    lines = [
        canonical_json(row._asdict() | {"suggested": dataset.classes[row.suggested], "strategy": strategy})
        for row in rows
    ]
    write_atomic(path, "".join(line + "\n" for line in lines).encode())
    return rows


def as_pool(recipe: Recipe, dataset: Dataset, unlabeled: Split, stages: Stages) -> Pool:
    """Train (or reuse) the teacher on the labeled samples and describe the pool with it; a clip is the mean of its segments."""
    train = dataset.train
    job = jobs.Job(ids=train.ids, labels=train.y, watch=train.ids, seed=recipe.seed)
    title, key = (
        f"Teacher {recipe.teacher.name}, {recipe.teacher.epochs:,} epochs",
        jobs.key(recipe, dataset, job, recipe.teacher),
    )
    folder = stage.network("teacher", title, "teacher", recipe, dataset, job, key, stages)
    seen = signals.read(folder / "signals.npz")
    with stages.timed("pool", "Describing the pool"):
        keras = backend.load(recipe.backend)
        model = keras.models.load_model(folder / "teacher.keras", compile=False)
        p, embeddings, _ = signals.describe(signals.describing(keras, model), unlabeled.x)
    ids = unlabeled.ids
    if unlabeled.clip is not None:
        first, clip = clips_of(unlabeled)
        ids, p, embeddings = unlabeled.clip[first], means(p, clip), means(embeddings, clip)
    return Pool(
        ids=ids,
        pred_probs=p,
        embeddings=embeddings,
        labeled_embeddings=seen["embeddings"],
        labeled=train.y,
        val_embeddings=seen["val_embeddings"],
        val_labels=dataset.val.y,
    )
