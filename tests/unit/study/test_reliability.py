"""Curves, bins, temperatures and ties of a study's arms, computed by hand."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edgekit.study import reliability, results
from edgekit.study.definition import Study
from edgekit.study.plan import Arm, Run, plan
from edgekit.study.results import Finished
from edgekit.study.schedule import Outcome

ARM = Arm(name="iqr", kind="arm")
FILE = "model_int8.tflite"


def predicted(confidence, right, temperatures=None):
    """Two classes, all labels 0: probability `confidence` for 0 where `right`, else for 1."""
    confidence = np.array(confidence)
    p = np.where(np.array(right)[:, None], [1.0, 0.0], [0.0, 1.0])
    p = np.where(p == 1, confidence[:, None], 1 - confidence[:, None])
    ids = np.array([f"test/{i}" for i in range(len(confidence))])
    temperatures = None if temperatures is None else np.array(temperatures, np.float64)
    return results.Tested(predictions=(ids, np.zeros(len(p), np.int64), p), groups=None, temperatures=temperatures)


def row(seeds, finished=()):
    found = reliability.of_files([ARM, Arm(name="full", kind="full")], {"shipped": {"iqr": seeds}}, finished)
    assert found["shipped"]["coverages"] == [i / 100 for i in range(1, 101)]
    assert set(found["shipped"]["arms"]) <= {"iqr"}
    return found["shipped"]["arms"].get("iqr")


def test_risk_over_coverage_is_the_mean_over_seeds_with_their_spread():
    confidence = [0.9, 0.8, 0.7, 0.6]
    found = row({1: predicted(confidence, [1, 1, 0, 0]), 2: predicted(confidence, [1, 0, 1, 1])})
    at = {
        coverage: (found["risk"]["mean"][coverage - 1], found["risk"]["sd"][coverage - 1]) for coverage in range(1, 101)
    }
    # 1, 2, 3 and 4 of 4 samples accepted: errors 0, 0, 1, 2 and 0, 1, 1, 1.
    assert at[1] == at[25] == (0, 0)
    assert at[26] == at[50] == pytest.approx((0.25, 0.5 / np.sqrt(2)), abs=1e-6)
    assert at[75] == pytest.approx((1 / 3, 0), abs=1e-6)
    assert at[100] == pytest.approx((0.375, 0.25 / np.sqrt(2)), abs=1e-6)
    assert found["seeds"] == 2


def test_equal_confidences_have_the_error_rate_at_every_coverage_and_one_seed_has_no_spread():
    found = row({1: predicted([0.75] * 4, [1, 0, 0, 0])})
    assert set(found["risk"]["mean"]) == {0.75}
    assert found["risk"]["sd"] is None
    assert found["bins"] == {"before": [{"n": 4, "confidence": 0.75, "accuracy": 0.25}], "after": None}


def test_bins_hold_all_seeds_and_each_sample_has_the_temperature_of_its_run():
    # Odds of 4 to 1: the square root is 2 to 1 (T = 2), the square is 16 to 1 (T = 0.5).
    seeds = {
        1: predicted([0.8, 0.8], [1, 0], temperatures=[2, 0.5]),
        2: predicted([0.8, 0.8], [1, 1], temperatures=[2, 2]),
    }
    bins = row(seeds)["bins"]
    assert bins["before"] == [{"n": 4, "confidence": 0.8, "accuracy": 0.75}]
    assert bins["after"] == [
        {"n": 3, "confidence": pytest.approx(2 / 3, abs=1e-6), "accuracy": 1.0},
        {"n": 1, "confidence": pytest.approx(16 / 17, abs=1e-6), "accuracy": 0.0},
    ]
    # Without a temperature in one run there is no "after" of the arm.
    assert row(seeds | {3: predicted([0.8], [1])})["bins"]["after"] is None


def test_runs_that_failed_or_diverged_do_not_count():
    diverged = predicted([0.9, np.nan], [1, 1])
    found = row({1: predicted([0.9, 0.8], [0, 1]), 2: None, 3: diverged})
    assert found["seeds"] == 1 and found["risk"]["mean"][99] == 0.5
    assert row({1: None, 2: diverged}) is None


def finished(seed, t, ece, nll, ties, *, at_bound=False, n=100, arm=ARM):
    fitted = {
        "temperature": t,
        "at_bound": at_bound,
        "before": {"ece": ece[0], "nll": nll[0]},
        "after": {"ece": ece[1], "nll": nll[1]},
        "figures": {"ties": dict(zip(("confidences", "at_top", "argmax"), ties, strict=True))},
        "operating": {"n": n},
    }
    run = Run(arm=arm, seed=seed)
    return Finished(run=run, folder=Path(), document={"reliability": {FILE: fitted}}, files={"shipped": FILE})


def test_temperatures_errors_and_ties_are_means_over_runs():
    runs = [
        finished(1, 0.5, (0.08, 0.02), (0.5, 0.4), (200, 30, 5)),
        finished(2, 1.5, (0.04, 0.02), (0.7, 0.6), (100, 10, 2), n=50, at_bound=True),
        finished(1, 9.0, (1, 1), (9, 9), (1, 1, 1), arm=Arm(name="other", kind="arm")),
    ]
    found = row({1: predicted([0.9], [1]), 2: predicted([0.9], [1])}, runs)
    assert found["temperature"] == {"mean": 1.0, "sd": pytest.approx(np.sqrt(0.5)), "at_bound": 1}
    assert found["ece"]["before"] == pytest.approx({"mean": 0.06, "sd": 0.04 / np.sqrt(2)})
    assert found["ece"]["after"] == {"mean": 0.02, "sd": 0.0}
    assert found["nll"]["after"] == pytest.approx({"mean": 0.5, "sd": 0.2 / np.sqrt(2)})
    # Shares of each run's own samples: 30 % and 20 %, 5 % and 4 %.
    assert found["ties"] == pytest.approx({"confidences": 150, "at_top": 0.25, "argmax": 0.045})


def test_a_study_without_temperatures_says_so():
    run = Finished(run=Run(arm=ARM, seed=1), folder=Path(), document={}, files={"shipped": FILE})
    found = row({1: predicted([0.9], [1])}, [run])
    assert found["temperature"] is found["ece"] is found["nll"] is found["ties"] is None


def test_each_sample_has_the_temperature_of_the_run_that_left_its_group_out(tmp_path):
    study = Study.model_validate(
        {
            "base": {"student": {"name": "conv8"}},
            "arms": {"iqr": {"curation": {"method": "iqr"}}, "b": {}},
            "seeds": 1,
            "leave_out": ["a", "b"],
            "controls": False,
            "compare": [["iqr", "b"]],
        }
    )
    planned = plan(study, ["a", "b"])
    runs = []
    for run, t, size in zip([run for run in planned.runs if run.arm.name == "iqr"], (0.5, 2.0), (1, 2), strict=True):
        folder = tmp_path / run.name
        (folder / "evaluation").mkdir(parents=True)
        ids = np.array([f"{run.group}/{i}" for i in range(size)])
        arrays = {"ids": ids, "labels": np.zeros(size, np.int64), "probabilities": np.full((size, 2), 0.5, np.float32)}
        np.savez(folder / f"evaluation/{FILE}.predictions.npz", **arrays)
        document = {"reliability": {FILE: {"temperature": t}}}
        runs.append(Finished(run=run, folder=folder, document=document, files={"shipped": FILE}))
    outcomes = {run.name: Outcome(status="complete") for run in planned.runs}
    (one,) = results.tested(planned, runs, outcomes, "shipped")["iqr"].values()
    assert one.groups.tolist() == ["a", "b", "b"] and one.temperatures.tolist() == [0.5, 2.0, 2.0]
    bare = [dataclasses.replace(runs[0], document={}), runs[1]]
    (one,) = results.tested(planned, bare, outcomes, "shipped")["iqr"].values()
    assert one.temperatures is None
