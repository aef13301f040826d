"""The plan of a build: its stages, what the cache holds, and what earlier runs took; nothing is invented."""

import json
import os
import platform
from pathlib import Path

import numpy as np
import pytest

from edgekit import data, recipe
from edgekit.pipeline import dry_run as planning
from edgekit.pipeline import prepare, stages
from edgekit.pipeline.history import History
from edgekit.pipeline.values import Work
from edgekit.runs.cache import StageCache
from edgekit.runs.stages import Stages
from edgekit.training import jobs
from edgekit.types import Silent

pytestmark = pytest.mark.usefixtures("own_cache")  # the cache is the subject

TRAINING = ["training", "student", "distillation", "peft"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    y = np.tile([0, 1], 60)
    x = np.random.default_rng(0).integers(0, 256, (120, 8, 8, 1), dtype=np.uint8)
    path = tmp_path_factory.mktemp("planning") / "data.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x[:8], y_test=y[:8])
    return data.load(str(path))


def names(settings, dataset):
    work = Work(recipe=recipe.load(settings=settings), dataset=dataset, stages=Stages(Silent()))
    return [name for name, _ in stages.rows(work)]


def test_stages_are_those_that_the_recipe_asks_for(dataset):
    last = ["evaluation", "reliability", "bench", "report"]
    assert names([], dataset) == ["data", "curation", "training", "export_float32", "export_int8", *last]
    assert names(["quantization.precision=float32", "bench.targets=[]"], dataset) == [
        "data", "curation", "training", "export_float32", "evaluation", "reliability", "report",
    ]  # fmt: skip
    full = ["curation.method=margin", "curation.folds=2", "curation.repeats=1", "distillation.alpha=0.5", "control=true",
            "pruning.sparsity=0.5", "pruning.channels=0.5", "quantization.precision=int8-qat"]  # fmt: skip
    assert names(full, dataset) == [
        "data", "fold_1", "fold_2", "curation", "repeat_1_fold_1", "repeat_1_fold_2", "teacher", "distillation", "training",
        "channel_pruning", "pruning", "qat", "export_float32", "export_int8-qat", "evaluation", "reliability", "bench",
        "control", "report",
    ]  # fmt: skip
    judged = names(["curation.method=iqr"], dataset)
    assert judged[:8] == ["data", "teacher", *(f"fold_{k}" for k in range(1, 6)), "curation"], (
        "a small set's bound needs folds"
    )
    iqr = ["curation.method=iqr", "curation.max_class_edit=1", "quantization.precision=auto"]
    assert names(iqr, dataset)[:3] == ["data", "teacher", "curation"]
    assert "ladder" in names(["quantization.precision=auto"], dataset)


def test_without_a_past_nothing_is_known_and_nothing_is_written(dataset, tmp_path):
    steps = planning.plan(
        recipe.load(settings=["curation.method=iqr", "curation.max_class_edit=1"]), dataset, tmp_path / "runs"
    )
    assert [step.state for step in steps[:4]] == ["to run", "to run", "to run", "follows"]
    assert all(step.took is None for step in steps)
    lines = list(planning.lines(steps))
    assert sum("not known yet" in line for line in lines[1:-2]) == len(steps)
    assert lines[-2] == f"known: 0.0 s for 0 stages; not known yet: {len(steps)} stages"
    assert not StageCache().root.exists() and not (tmp_path / "runs").exists()


def put(name, key, seconds, **facts):
    """A result in the stage cache as a build leaves it, with other seconds."""
    folder = StageCache().run(name, key, lambda into: (into / "training.json").write_text(json.dumps(facts)) and None)
    entry = json.loads((folder / "stage.json").read_text())
    (folder / "stage.json").write_text(json.dumps(entry | {"seconds": seconds}))


def decided(dataset, settings):
    return prepare.resolved(recipe.load(settings=settings), dataset)


def test_trainings_in_the_cache_tell_their_time_for_the_same_data_and_sections_only(dataset):
    asked = decided(dataset, ["training.epochs=3"])
    for seed, seconds in ((1, 10.0), (2, 14.0), (3, 30.0)):
        job = jobs.Job(ids=dataset.train.ids, labels=dataset.train.y, seed=seed)
        put("training", jobs.student_key(asked, dataset, job), seconds, train_flops=1000)
    other = decided(dataset, ["training.epochs=4"])
    put("training", jobs.student_key(other, dataset, job), 99.0)
    past = History(Path("runs"), dataset.fingerprint)
    took = past.took("training", asked)
    assert (took.seconds, took.runs, took.train_flops, took.peak_rss_bytes) == (14.0, 3, 1000, None)
    assert past.took("training", other).seconds == 99.0
    assert past.took("training", decided(dataset, ["training.epochs=5"])) is None
    assert History(Path("runs"), "0" * 64).took("training", asked) is None
    steps = {step.name: step for step in planning.plan(asked, dataset)}
    assert steps["training"].state == "to run" and steps["training"].took.seconds == 14.0
    assert steps["export_int8"].took is None


def report(folder, asked, dataset, timings, *, reused=(), peaks=None, cores=None):
    folder.mkdir(parents=True)
    document = {
        "run": {"machine": {"processor": platform.machine(), "cores": cores or os.cpu_count()}},
        "dataset": {"fingerprint": dataset.fingerprint},
        "recipe": asked.model_dump(mode="json"),
        "timings": timings,
        "reused_stages": list(reused),
    }
    (folder / "report.json").write_text(json.dumps(document))
    (folder / "manifest.json").write_text(json.dumps({"peak_rss_bytes": peaks or {}}))


def test_finished_runs_tell_time_and_memory_of_stages_that_really_ran(dataset, tmp_path):
    asked = decided(dataset, ["seed=1"])
    runs = tmp_path / "runs"
    report(runs / "a", asked, dataset, {"evaluation": 4.0, "training": 9.0}, peaks={"evaluation": 2**30})
    report(
        runs / "b",
        asked,
        dataset,
        {"evaluation": 6.0, "training": 0.1},
        reused=["training"],
        peaks={"evaluation": 2**31},
    )
    report(runs / "elsewhere", asked, dataset, {"evaluation": 500.0}, cores=10_000)
    wider = decided(dataset, ["student.width=l"])
    report(runs / "wider", wider, dataset, {"evaluation": 70.0})
    (runs / "latest").symlink_to("a")
    (runs / "broken").mkdir()
    (runs / "broken/report.json").write_text("{}")
    took = History(runs, dataset.fingerprint).took("evaluation", decided(dataset, ["seed=2"]))
    assert (took.seconds, took.runs, took.peak_rss_bytes) == (5.0, 2, 2**31)
    assert History(runs, dataset.fingerprint).took("training", asked).seconds == 9.0
    assert History(runs, dataset.fingerprint).took("evaluation", wider).seconds == 70.0
    line = next(line for line in planning.lines(planning.plan(asked, dataset, runs)) if line.startswith("evaluation"))
    assert line.split() == ["evaluation", "to", "run", "5.0", "s", "2.0", "GB", "from", "2", "before"]


def test_what_a_build_would_be_refused_for_is_refused(dataset):
    with pytest.raises(Exception, match="budget"):
        planning.plan(recipe.load(settings=["curation.method=random", "curation.budget=5000"]), dataset)
