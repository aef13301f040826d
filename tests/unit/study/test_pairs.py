"""Which comparisons are judged, and why the others are not, from hand-made results."""

from pathlib import Path

import numpy as np
import pytest

from edgekit.study import results
from edgekit.study.definition import Study
from edgekit.study.pairs import outstanding, pairs
from edgekit.study.plan import plan
from edgekit.study.schedule import Outcome

LABEL, PLAIN = "shipped", {"name": "conv8"}
DONE, FAILED, NEEDLESS = (Outcome(status=status) for status in ("complete", "failed", "not needed"))
LATE = Outcome(status="not run", reason="max_hours was exceeded")


@pytest.fixture
def planned():
    arms = {"iqr": {"curation": {"method": "iqr"}}, "wide": {"student": {"name": "microresnet"}}}
    return plan(Study.model_validate({"base": {"student": PLAIN}, "arms": arms, "seeds": 2}))


def finished(planned, outcomes, without=()):
    def recipe(arm):
        section = {"name": "microresnet"} if arm == "wide" else PLAIN
        return {
            "data": {"spec": "d"},
            "student": section,
            "pruning": {"channels": 0},
            "quantization": {"precision": "int8"},
        }

    return [
        results.Finished(
            run=run,
            folder=Path(),
            document={"recipe": recipe(run.arm.name), "artifacts": [{"name": "m.tflite"}]},
            files={} if run.arm.name in without else {LABEL: "m.tflite"},
        )
        for run in planned.runs
        if outcomes[run.name] == DONE
    ]


def sorted_out(planned, changed=(), graphs=(), ids=(), without=()):
    """`pairs` of a study of which all runs are done, but for what is given."""
    outcomes = {run.name: DONE for run in planned.runs} | dict(changed)
    own = finished(planned, outcomes, without)
    tested = {arm.name: {} for arm in planned.arms}
    for done in own:
        names = np.array(dict(ids).get(done.run.arm.name, ["a", "b"]))
        good = done.run.arm.name not in without
        one = (
            results.Tested(predictions=(names, np.zeros(2, np.int64), np.full((2, 2), 0.5)), groups=None)
            if good
            else None
        )
        tested[done.run.arm.name][done.run.seed] = one
    digests = {arm.name: {LABEL: [dict(graphs).get(arm.name, "same")]} for arm in planned.arms}
    return pairs(planned, own, outcomes, {LABEL: tested}, digests)


def test_all_comparisons_of_a_whole_study_are_judged(planned):
    found = sorted_out(planned)
    assert found.judged == {LABEL: list(planned.comparisons)} and not found.refused
    assert found.planned == len(planned.comparisons) == 4


def test_graphs_that_differ_are_judged_only_where_the_recipes_mean_it(planned):
    found = sorted_out(planned, graphs={"iqr": "other", "wide": "wider"})
    assert found.judged == {LABEL: [("wide", "full")]}
    assert [(row.arm, row.control, row.status) for row in found.refused] == [
        ("iqr", control, "broken") for control in ("full", "random-of-iqr", "matched-of-iqr")
    ]
    assert len(found.mismatches) == 3 and "should have the same inference graph" in found.mismatches[0]
    assert found.differences == ["wide and full have different inference graphs in shipped, as their recipes intend."]
    assert found.planned == 1


def test_an_arm_without_the_file_or_with_other_test_samples_costs_its_own_comparisons_alone(planned):
    found = sorted_out(planned, without=["wide"])
    assert [row.reason for row in found.refused] == ["wide-1 has no file 'shipped'; it has m.tflite"]
    assert ("iqr", "full") in found.judged[LABEL]
    found = sorted_out(planned, ids={"wide": ["a", "c"]})
    assert [row.reason for row in found.refused] == [
        "wide (seed 1) was tested on other samples or labels than full (seed 1)"
    ]


def test_what_is_still_to_be_run_counts_in_the_correction_of_the_whole_study(planned):
    """What is not needed is never judged."""
    changed = {f"wide-{seed}": LATE for seed in (1, 2)} | {f"matched-of-iqr-{seed}": NEEDLESS for seed in (1, 2)}
    found = sorted_out(planned, changed)
    assert [(row.arm, row.status, row.reason) for row in found.refused] == [
        ("wide", "missing", "no RNG seed of wide is finished")
    ]
    assert len(found.judged[LABEL]) == 2 and found.planned == 3


def test_runs_that_max_hours_left_out_are_outstanding_and_those_of_failed_arms_are_not(planned):
    outcomes = {run.name: DONE for run in planned.runs}
    waits = Outcome(status="not run", reason="it waits for iqr-1, which failed")
    outcomes |= {"iqr-1": FAILED, "random-of-iqr-1": waits, "matched-of-iqr-1": waits, "wide-1": FAILED}
    assert outstanding(planned, outcomes) == []
    outcomes |= {"iqr-2": LATE, "random-of-iqr-2": Outcome(status="not run", reason="it waits for iqr-2")}
    assert [run.name for run in outstanding(planned, outcomes)] == ["iqr-2", "random-of-iqr-2"]
