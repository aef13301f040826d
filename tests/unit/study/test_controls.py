"""Recipes of controls from a finished run, by hand-made run folders."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edgekit import recipe
from edgekit.curation.by_hand import read
from edgekit.study import controls, matching

LABELS = np.array([0] * 20 + [1] * 10 + [2] * 10)


@pytest.fixture
def run(tmp_path):
    """A run that dropped 3 of class 0 and 2 of class 2, and relabeled one of class 1."""
    folder = tmp_path / "runs" / "arm-1"
    (folder / "curation").mkdir(parents=True)
    ids = [f"train/{i}" for i in range(40)]
    pq.write_table(pa.table({"id": ids, "label": LABELS}), folder / "curation/scores.parquet")
    edits = [{"id": f"train/{i}", "action": "drop"} for i in (0, 1, 2, 30, 31)]
    edits.append({"id": "train/25", "action": "relabel", "new": 0})
    (folder / "curation/selection.jsonl").write_text("".join(json.dumps(edit) + "\n" for edit in edits))
    (folder / "curation/summary.json").write_text(json.dumps({"n_dropped": 5}))
    report = {
        "training": {"student": {"train_flops": 100, "seconds": 2.0}},
        "curation": {"curation_flops": 350, "n_kept": 35, "n_before": 40},
    }
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def asked(**values):
    return recipe.from_mapping(
        {"curation": {"method": "iqr"}, "training": {"epochs": 4, "batch_size": 128}, "seed": 3, **values}
    )


def test_random_drops_as_many_with_all_else_equal(run):
    made = controls.random(asked(), run)
    assert (made.curation.method, made.curation.budget) == ("random", 5)
    assert [key for key in recipe.differences(asked(), made) if not key.startswith("curation.")] == []


def test_class_matched_drops_as_many_of_each_class_and_others_for_each_seed(run, tmp_path):
    made = controls.matched(asked(), run, tmp_path / "controls" / "a.jsonl")
    edits = read(tmp_path / "controls" / "a.jsonl")
    assert made.curation.apply == str(tmp_path / "controls" / "a.jsonl")
    dropped = [int(edit.id.split("/")[1]) for edit in edits]
    assert Counter(LABELS[dropped].tolist()) == {0: 3, 2: 2}
    assert len(set(dropped)) == 5
    lines = {controls.matched_lines(run, seed) for seed in range(10)}
    assert len(lines) == 10
    assert controls.matched_lines(run, 3) == (tmp_path / "controls" / "a.jsonl").read_text()


def test_an_arm_that_dropped_nothing_needs_no_such_control(run, tmp_path):
    (run / "curation/selection.jsonl").write_text("")
    (run / "curation/summary.json").write_text(json.dumps({"n_dropped": 0}))
    assert controls.random(asked(), run) is None
    assert controls.matched(asked(), run, tmp_path / "none.jsonl") is None
    assert not (tmp_path / "none.jsonl").exists()


def test_the_same_total_flops_are_epochs_on_all_data(run):
    made = controls.same_total_flops(asked(), run)
    assert (made.curation.method, made.training.epochs) == ("none", 18)  # 4 x (100 + 350) / 100
    assert controls.expected_seconds(asked(), run, made) == pytest.approx(9.0)
    shorter = controls.same_total_flops(asked(training={"epochs": 4, "match": "epochs", "batch_size": 128}), run)
    assert shorter.training.epochs == 16  # each of the arm's epochs was 35/40 of one on all data


def test_equal_flops_give_a_dear_student_fewer_epochs():
    base = asked(student={"name": "conv8"})
    wide = asked(student={"name": "microresnet"})
    cost = {"conv8": 100, "microresnet": 250}
    made = matching.matched(wide, base, lambda of: 1000, lambda of: cost[of.student.name])
    assert made.training.epochs == 2  # 4 x 100 / 250 = 1.6
    assert matching.matched(base, base, lambda of: 1000, lambda of: cost[of.student.name]) == base


def test_equal_flops_give_fewer_samples_more_epochs_and_larger_images_fewer():
    base = asked(data={"limit": 400}, training={"epochs": 4, "batch_size": 50})
    few = asked(data={"limit": 100}, training={"epochs": 4, "batch_size": 50})
    made = matching.matched(few, base, lambda of: of.data.limit, lambda of: 7)
    assert made.training.epochs == 16  # a quarter of the steps in each
    large = asked(data={"limit": 400, "image_size": 56}, training={"epochs": 4, "batch_size": 50})
    made = matching.matched(large, base, lambda of: 400, lambda of: 4 if of.data.image_size else 1)
    assert made.training.epochs == 1


def test_a_finished_control_is_known_in_a_study_that_was_moved(run, tmp_path):
    """The run says where its edits were; they are the same ones, now elsewhere."""
    before, after = (tmp_path / place / "controls" / "m-1.jsonl" for place in ("a", "b"))
    held, made = (controls.matched(asked(), run, path) for path in (before, after))
    matched = tmp_path / "matched"
    (matched / "curation").mkdir(parents=True)
    assert controls.moved(held.to_yaml(), made, matched)  # not finished: it is done again
    (matched / "curation/selection.jsonl").write_text(before.read_text())
    before.unlink()
    assert controls.moved(held.to_yaml(), made, matched)
    assert not controls.moved(asked(curation={"apply": str(before)}, seed=4).to_yaml(), made, matched)
    after.write_text(controls.matched_lines(run, 4))
    assert not controls.moved(held.to_yaml(), made, matched)


@pytest.mark.parametrize(
    "change",
    [
        {"peft": {"method": "ssf"}, "student": {"name": "conv8", "backbone": "trunk.keras"}},
        {"training": {"epochs": 3, "batch_size": 128, "patchout": "structured"}},
    ],
)
def test_equal_flops_count_what_is_left_frozen_and_left_out(change):
    """Half of the FLOPs of a sample, whatever changes them: twice the epochs."""
    base = asked(student={"name": "conv8"}, training={"epochs": 3, "batch_size": 128})
    other = asked(**{"student": {"name": "conv8"}, "training": {"epochs": 3, "batch_size": 128}, **change})
    cost = {id(base): 200, id(other): 100}
    assert matching.matched(other, base, lambda of: 1000, lambda of: cost[id(of)]).training.epochs == 6
