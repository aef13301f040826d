"""The plan of a build and the build itself: the same stages in the same order, and afterwards all costly ones are cached."""

import json

import numpy as np
import pytest

from edgekit import recipe
from edgekit.pipeline import dry_run as planning
from edgekit.pipeline.build import build

pytestmark = pytest.mark.tf


def test_a_plan_is_what_then_happens(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    y = np.tile([0, 1], 60)
    x = np.random.default_rng(0).integers(0, 256, (120, 8, 8, 1), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    asked = recipe.load(
        settings=["student.name=conv8", "training.epochs=1", "teacher.epochs=1", "curation.method=iqr", "bench.targets=[]",
                  "quantization.onnx=false", "curation.max_class_edit=1", "accept_chance=true"],
        values={"data.spec": str(tmp_path / "data.npz")},
    )  # fmt: skip
    from edgekit import data

    dataset = data.load_section(asked.data, asked.seed)
    before = planning.plan(asked, dataset)
    assert {step.state for step in before} == {"to run", "follows"}
    build(asked, tmp_path / "runs/one")
    document = json.loads((tmp_path / "runs/latest/report.json").read_text())
    assert (tmp_path / "runs/latest").readlink().as_posix() == "one"
    assert [step.name for step in before] == [*document["timings"], "report"]

    steps = {step.name: step for step in planning.plan(asked, dataset)}
    assert list(steps) == [step.name for step in before]
    cached = [name for name, step in steps.items() if step.state == "cached"]
    assert cached == ["teacher", "training", "export_float32", "export_int8"]
    assert steps["evaluation"].took.seconds == document["timings"]["evaluation"]
    assert steps["evaluation"].took.peak_rss_bytes > 2**20
    again = {step.name: step for step in planning.plan(asked.model_copy(update={"seed": 7}), dataset)}
    assert again["teacher"].state == "to run" and again["teacher"].took.train_flops > 0
    assert again["export_int8"].state == "follows"
