"""The recipes of runs, and which folders are finished."""

import json

import numpy as np
import pytest

from edgekit.errors import UsageError
from edgekit.runs.folder import RunFolder
from edgekit.study.definition import Study
from edgekit.study.plan import plan
from edgekit.study.prepare import Prepared
from edgekit.study.work import Work
from edgekit.types import InputSpec, Silent

BASE = {"student": {"name": "conv8"}, "training": {"epochs": 8, "batch_size": 50}}


def work(tmp_path, arms, samples=400, counted=None, **values):
    study = Study.model_validate({"base": BASE, "arms": arms, "seeds": 1, **values})
    planned = plan(study)

    class Fixed(dict):
        def __missing__(self, section):
            return np.array([json.loads(section)["limit"] or samples]), InputSpec(shape=(28, 28, 1))

    return Work(Prepared(plan=planned, data=Fixed()), tmp_path, Silent(), counted), planned


def test_equal_flops_fit_the_epochs_of_each_arm_and_count_each_network_once(tmp_path):
    arms = {
        "wide": {"student": {"name": "microresnet"}},
        "few": {"data": {"limit": 100}},
        "large": {"data": {"image_size": 56}},
    }
    asked = []

    def counted(recipe):
        asked.append((recipe.student.name, recipe.data.image_size))
        return 400 if recipe.student.name == "microresnet" else 200 if recipe.data.image_size else 100

    made, planned = work(tmp_path, arms, counted=counted, match="flops")
    epochs = {run.arm.name: made.recipe(run).training.epochs for run in planned.runs}
    assert epochs == {"full": 8, "wide": 2, "few": 32, "large": 4}
    assert asked == [("conv8", None), ("microresnet", None), ("conv8", (56, 56))]


def test_the_epochs_of_a_study_with_equal_steps_are_the_recipes(tmp_path):
    made, planned = work(tmp_path, {"few": {"data": {"limit": 100}}})
    assert {made.recipe(run).training.epochs for run in planned.runs} == {8}


def test_a_run_of_another_recipe_is_refused_and_one_that_is_not_complete_goes_on(tmp_path):
    made, planned = work(tmp_path, {"few": {"data": {"limit": 100}}})
    run = planned.runs[0]
    recipe = made.recipe(run)
    assert not made.finished(run, recipe)
    folder = RunFolder.open(tmp_path / "runs" / run.name, recipe=recipe.to_yaml(), status="running")
    folder.close()
    assert not made.finished(run, recipe)
    folder = RunFolder.open(tmp_path / "runs" / run.name, resume=True, status="complete")
    folder.close()
    assert made.finished(run, recipe)
    with pytest.raises(UsageError, match="a different recipe"):
        made.finished(run, recipe.model_copy(update={"seed": 9}))
