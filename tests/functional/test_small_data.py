"""Sixty samples: the default learns them, says so when a training did not, and cross-validation tests each once."""

import json

import numpy as np
import pytest

from edgekit import data, recipe
from edgekit.errors import NotLearned
from edgekit.inference.evaluate import load_predictions
from edgekit.pipeline.build import build
from edgekit.recipe import from_yaml
from edgekit.training import jobs, stage
from edgekit.types import Silent

pytestmark = pytest.mark.tf

LEAN = {"bench.targets": [], "quantization.onnx": False}


class RecordingReporter(Silent):
    def __init__(self):
        self.notes, self.warnings = [], []

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    """60 noisy images of 16x16 with a bar that lies or stands, somewhere."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(60, 25, (60, 16, 16, 1)), np.arange(60) % 2
    for image, label, at, begin in zip(x, y, rng.integers(2, 12, 60), rng.integers(0, 8, 60), strict=True):
        rows, columns = (slice(at, at + 2), slice(begin, begin + 8))
        image[(rows, columns) if label else (columns, rows)] += 110
    path = tmp_path_factory.mktemp("bars") / "bars.npz"
    np.savez(path, x_train=np.clip(x, 0, 255).astype(np.uint8), y_train=y)
    return path


def test_the_default_learns_sixty_samples(bars, tmp_path):
    asked = recipe.load(values={"data.spec": str(bars), "student.width": "xs", **LEAN})
    document = build(asked, tmp_path / "run", reporter=Silent()).document
    test = next(e for e in document["evaluations"] if e["artifact"] == "model_int8.tflite" and e["split"] == "test")
    assert test["accuracy"] >= 0.8, test
    student = document["training"]["student"]
    assert student["steps"] == student["epochs"] * 2 >= 1_160
    assert student["learned"]["reasons"] == [] and document["untrained"] == {}
    made = from_yaml((tmp_path / "run/recipe.yaml").read_text())
    assert made.training.epochs == student["epochs"] and made.training.batch_size == 32


def test_a_file_that_guesses_ends_with_exit_code_5_unless_that_is_accepted(bars, tmp_path):
    """At a rate of next to nothing the network stays at its first weights."""
    values = {
        "data.spec": str(bars),
        "student.name": "conv8",
        "training.epochs": 1,
        "training.learning_rate": 1e-9,
        **LEAN,
    }
    reporter = RecordingReporter()
    with pytest.raises(NotLearned, match="does not beat the largest class alone") as ended:
        build(recipe.load(values=values), tmp_path / "run", reporter=reporter)
    assert ended.value.exit_code == 5 and ended.value.report.document["untrained"]["shipped file"]
    assert any("has not learned" in text for text in reporter.warnings)
    assert "Not learned (training)" in (tmp_path / "run/report.html").read_text()
    build(recipe.load(values=values | {"accept_chance": True}), tmp_path / "accepted", reporter=Silent())


def test_a_training_that_has_not_learned_is_done_again_with_twice_the_epochs(bars, tmp_path):
    values = {"data.spec": str(bars), "student.name": "conv8", "training.epochs": 1, "training.retries": 2,
              "training.batch_size": 32, "training.learning_rate": 1e-9}  # fmt: skip
    loaded = recipe.load(values=values)
    dataset = data.load_section(loaded.data, loaded.seed)
    job = jobs.Job(ids=dataset.train.ids, labels=dataset.train.y)
    stage.run("student", loaded, dataset, job, tmp_path, Silent())
    facts = json.loads((tmp_path / "training.json").read_text())
    assert (facts["epochs"], facts["steps"], facts["retried"]["count"]) == (4, 8, 2)
    assert facts["retried"]["train_flops"] == pytest.approx(facts["train_flops"] * 3 / 4)
    assert stage.cost(tmp_path) == facts["train_flops"] + facts["retried"]["train_flops"]


def test_each_sample_is_tested_once_by_cross_validation(bars, tmp_path):
    values = {
        "data.spec": str(bars),
        "data.cv": 2,
        "student.name": "conv8",
        "training.epochs": 2,
        "accept_chance": True,
        **LEAN,
    }
    run = tmp_path / "run"
    document = build(recipe.load(values=values), run, reporter=Silent()).document
    found = document["cross_validation"]["files"]["model_int8.tflite"]
    assert (found["folds"], found["n"], found["effective"]) == (2, 60, 60)
    assert not any(row["split"] == "test" for row in document["evaluations"])
    ids, labels, p = load_predictions(run / found["predictions"])
    assert len(set(ids.tolist())) == 60 and (p.argmax(axis=1) == labels).mean() == pytest.approx(found["accuracy"])
    low, high = found["interval"]
    assert low <= found["accuracy"] <= high
    kept = {path: path.stat().st_mtime_ns for path in run.glob("cv/*/report.json")}
    (run / "mine.txt").write_text("mine")
    build(recipe.load(values=values | {"data.cv": None}), run, force=True, reporter=Silent())
    assert len(kept) == 2 and not any(path.exists() for path in kept) and (run / "mine.txt").exists()
