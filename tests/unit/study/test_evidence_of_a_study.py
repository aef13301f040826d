"""Ledger, graphs, verdicts and the page, from hand-made results."""

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import REPOSITORY

from edgekit.study import graph, judging, results
from edgekit.study.definition import Study
from edgekit.study.ledger import equal, ledger, unequal
from edgekit.study.plan import Arm, Run, plan
from edgekit.study.results import Finished

LABEL = "shipped"
ZOO = ("fashion-mnist-s", "mnist-s", "mnist-xs")


def done(arm, seed, *, timings, reused=(), steps=30, curation=0, seconds=1.0, folds=5):
    section = {"folds": folds, "method": "iqr"}
    recipe = {
        "data": {"spec": "d"},
        "teacher": {"name": "t"},
        "curation": section,
        "training": {"batch_size": 8, "epochs": 3},
    }
    document = {
        "training": {"student": {"steps": steps, "train_flops": 1000, "seconds": seconds}},
        "curation": {"n_kept": 90, "curation_flops": curation},
        "timings": timings,
        "reused_stages": list(reused),
        "recipe": recipe,
        "artifacts": [{"name": "m.tflite", "macs": 7, "size_bytes": 100 + seed}],
    }
    run = Run(arm=Arm(name=arm, kind="arm"), seed=seed)
    return Finished(run=run, folder=Path(), document=document, files={LABEL: "m.tflite"})


def test_the_ledger_counts_shared_work_once_and_where_it_was_done():
    runs = [
        done("full", 1, timings={"data": 1.0, "training": 4.0}),
        done("iqr", 1, timings={"teacher": 50.0, "curation": 2.0, "training": 4.0}, curation=9000, seconds=2.0),
        done("iqr", 2, timings={"teacher": 0.1, "curation": 2.5, "training": 4.0}, reused=["teacher"], curation=9000),
        # Shares the teacher, which the run above had made.
        done("tracin", 1, timings={"teacher": 0.1, "curation": 1.0}, reused=["teacher"], curation=9000),
    ]
    arms = list(dict.fromkeys(run.run.arm for run in runs))
    rows = {row["arm"]: row for row in ledger(arms, runs, LABEL)}
    assert rows["iqr"]["runs"] == 2
    assert rows["iqr"]["student_seconds"] == 1.5
    assert rows["iqr"]["curation_seconds"] == 52.5
    assert rows["tracin"]["curation_seconds"] == 51.0
    assert rows["full"]["curation_seconds"] == 0.0
    assert rows["iqr"]["curation_flops"] == 9000
    assert rows["iqr"]["size_bytes"] == [101, 102]
    assert equal(list(rows.values()), "steps")


def test_the_ledger_does_not_guess_what_an_earlier_build_took_and_tells_unequal_steps():
    runs = [
        done("iqr", 1, timings={"teacher": 0.1, "curation": 2.0}, reused=["teacher"]),
        done("b", 1, timings={}, steps=25),
    ]
    rows = ledger([run.run.arm for run in runs], runs, LABEL)
    assert rows[0]["curation_seconds"] is None
    assert not equal(rows, "steps")


@pytest.mark.parametrize(
    ("section", "value", "expected"),
    [
        ("student", {"name": "b"}, True),
        ("pruning", {"channels": 0.5}, True),
        ("data", {"spec": "d", "image_size": [14, 14]}, True),
        ("data", {"spec": "d", "image_size": None, "limit": 100}, False),
        ("curation", {"method": "iqr"}, False),
    ],
)
def test_only_what_changes_the_network_may_change_its_graph(section, value, expected):
    recipe = {
        "data": {"spec": "d", "image_size": None},
        "student": {"name": "a"},
        "pruning": {"channels": 0},
        "quantization": {"precision": "int8"},
        "curation": {},
    }
    assert results.deliberate(recipe, recipe | {section: value}) is expected


def predicted(right, labels, groups=None):
    probabilities = np.full((len(labels), 2), 0.2)
    probabilities[np.arange(len(labels)), np.where(right, labels, 1 - labels)] = 0.8
    ids = np.array([f"test/{i}" for i in range(len(labels))])
    return results.Tested(predictions=(ids, labels, probabilities), groups=groups)


@pytest.fixture
def arms():
    """Arm "good" is right where "full" is, and on more; eight seeds."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    found = {"good": {}, "full": {}}
    for seed in range(8):
        right = rng.random(400) < 0.7
        found["full"][seed] = predicted(right, labels)
        found["good"][seed] = predicted(right | (rng.random(400) < 0.5), labels)
    return found


def test_verdicts_name_arm_control_and_file_and_are_corrected_together(arms):
    by_label = {"shipped": arms, "model_float32.tflite": arms}
    pairs = {label: [("good", "full")] for label in by_label}
    judged = judging.verdicts(by_label, pairs, ["accuracy"])
    rows = [judging.row(label, verdict) for label, verdict in judged]
    assert [(row["arm"], row["control"], row["artifact"]) for row in rows] == [
        ("good", "full", "shipped"),
        ("good", "full", "model_float32.tflite"),
    ]
    assert {row["verdict"] for row in rows} == {"better"}
    assert {row["compared"] for row in rows} == {2}


def test_a_failed_run_is_named_and_few_seeds_are_no_evidence(arms):
    few = {name: {seed: runs[seed] for seed in range(4)} for name, runs in arms.items()}
    few["good"][2] = None
    ((_, verdict),) = judging.verdicts({LABEL: few}, {LABEL: [("good", "full")]}, ["accuracy"])
    assert verdict.verdict == "no evidence (3 seeds)"
    assert verdict.excluded == ("seed 2: good (shipped) failed",)


def test_effects_per_group_by_hand():
    labels, groups = np.array([0, 1, 0, 1]), np.array(["a", "a", "b", "b"])
    arm = {1: predicted(np.array([True, True, True, False]), labels, groups)}
    control = {1: predicted(np.array([True, False, False, True]), labels, groups)}
    (row,) = judging.per_group({LABEL: {"x": arm, "full": control}}, {LABEL: [("x", "full")]}, ["accuracy"])
    assert row["effects"] == {"a": 0.5, "b": 0.0}
    assert row["same_direction"] == 1


def test_what_an_arm_did_about_wrong_labels_is_the_mean_over_its_runs():
    from edgekit.study import document

    arm = Arm(name="iqr", kind="arm")
    runs = [done("iqr", seed, timings={}) for seed in (1, 2)]
    rows = [
        {"count": 10, "edited": 6, "recall": 0.6, "precision": 0.75},
        {"count": 10, "edited": 0, "recall": 0.0, "precision": None},
    ]
    for run, row in zip(runs, rows, strict=True):
        run.document["curation"].update(n_dropped=8, injected_noise=row)
    found = document._arm(arm, {}, [], runs)["injected_noise"]
    # Precision only where there were edits.
    assert found == {"runs": 2, "count": 10.0, "edited": 3.0, "recall": 0.3, "precision": 0.75}

    clean = done("iqr", 1, timings={})
    clean.document["curation"].update(n_dropped=8)
    assert document._arm(arm, {}, [], [clean])["injected_noise"] is None


def test_what_all_runs_share_is_told_as_the_limit_of_the_verdicts():
    from edgekit.study import document

    def limits(*selections, method="iqr"):
        runs = [done("iqr", seed, timings={}) for seed, _ in enumerate(selections)]
        for run, digest in zip(runs, selections, strict=True):
            run.document["recipe"]["data"] = {"seed": 42}
            run.document["recipe"] |= {"teacher": {"seed": 7}, "distillation": {"alpha": 0}}
            run.document["recipe"]["curation"] = {"method": method}
            run.document["curation"].update(n_dropped=8, selection_sha256=digest)
        return document._limits(planned_arms().study, runs)

    assert limits("a", "a") == [
        "All verdicts rest on one data set with one split (seed 42), one teacher (seed 7), one curation by iqr. They "
        "generalize to other students and test samples, not to other teachers, curations, splits or data sets."
    ]
    # Another draw with each seed, and no teacher.
    (sentence,) = limits("a", "b", method="random")
    assert "teacher" not in sentence and "curation" not in sentence and "not to other splits or data sets" in sentence
    assert limits() == []


def test_a_graph_is_its_operators_and_shapes_not_its_weights():
    files = {name: REPOSITORY / "models" / f"{name}-int8" / "model_int8.tflite" for name in ZOO}
    fashion, digits, narrow = (graph.digest(path) for path in files.values())
    # One network on two data sets: other weights and scales, the same graph.
    assert files["fashion-mnist-s"].read_bytes() != files["mnist-s"].read_bytes()
    assert fashion == digits
    # As many operators, but fewer channels.
    assert graph.operators(files["mnist-xs"]) == graph.operators(files["mnist-s"])
    assert narrow != digits
    assert graph.operators(files["mnist-s"])["SOFTMAX"] == 1


def planned_arms(**values):
    arms = {"wide": {"student": {"name": "microresnet"}}}
    return plan(Study.model_validate({"base": {"student": {"name": "conv8"}}, "arms": arms, "seeds": 1, **values}))


def test_comparisons_that_are_not_equal_in_what_the_study_says_are_reported():
    def told(match, **rows):
        named = [
            {"arm": arm, "steps": [row[0]], "epochs": [row[0]], "student_train_flops": row[1]}
            for arm, row in rows.items()
        ]
        return unequal(planned_arms(match=match), named)

    assert told("steps", full=(100, 1.0), wide=(100, 9.0)) == {}
    assert told("steps", full=(100, 1.0), wide=(150, 1.0)) == {
        ("wide", "full"): "wide has 1.50 times the training steps of full"
    }
    assert told("flops", full=(100, 4.0), wide=(9, 4.04)) == {}
    assert told("flops", full=(100, 4.0), wide=(9, 7.0)) == {
        ("wide", "full"): "wide has 1.75 times the student training FLOPs of full"
    }
    assert told("epochs", full=(100, 1.0), wide=(100, 9.0)) == {}
    assert list(told("epochs", full=(100, 1.0), wide=(150, 2.0))) == [("wide", "full")]
    # Trained with the FLOPs of curation on top.
    arms = {"iqr": {"curation": {"method": "iqr"}}}
    rows = [{"arm": arm, "steps": [n]} for arm, n in (("full", 9), ("iqr", 9), ("flops-of-iqr", 90))]
    assert unequal(planned_arms(arms=arms, same_total_flops=True), rows) == {}
