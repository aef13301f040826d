"""The runs of a study: arms, their controls, what is pinned, and what waits for what."""

import pytest

from edgekit.errors import RecipeError
from edgekit.study.definition import Study
from edgekit.study.plan import plan, recipe_of, shared_stages

BASE = {"data": {"spec": "fashion-mnist-mini"}, "student": {"name": "conv8"}}
IQR = {"curation": {"method": "iqr"}}


def study(**values):
    return Study.model_validate({"base": BASE, "arms": {"iqr": IQR}, "seeds": 2, **values})


def test_an_arm_that_curates_has_all_controls():
    planned = plan(study(same_total_flops=True))
    assert [arm.name for arm in planned.arms] == ["full", "iqr", "random-of-iqr", "matched-of-iqr", "flops-of-iqr"]
    assert planned.comparisons == tuple(
        ("iqr", control) for control in ("full", "random-of-iqr", "matched-of-iqr", "flops-of-iqr")
    )
    assert [run.name for run in planned.runs][:5] == [
        "full-1", "iqr-1", "random-of-iqr-1", "matched-of-iqr-1", "flops-of-iqr-1"
    ]  # fmt: skip
    assert [run.after for run in planned.runs][:5] == [None, None, "iqr-1", "iqr-1", "iqr-1"]


def test_an_arm_without_curation_has_all_data_alone():
    planned = plan(study(arms={"wide": {"student": {"name": "microresnet", "width": "xs"}}}))
    assert [arm.name for arm in planned.arms] == ["full", "wide"]


def test_an_arm_that_also_changes_the_student_gets_all_data_with_that_student():
    arms = {"both": {**IQR, "student": {"name": "microresnet"}}}
    planned = plan(study(arms=arms))
    assert [arm.name for arm in planned.arms][:3] == ["full", "both", "full-of-both"]
    run = next(run for run in planned.runs if run.arm.kind == "full-of")
    made = recipe_of(planned.study, run)
    assert (made.student.name, made.curation.method) == ("microresnet", "none")


def test_random_removal_is_no_control_for_itself():
    planned = plan(study(arms={"less": {"curation": {"method": "random", "budget": 0.1}}}))
    assert [arm.name for arm in planned.arms] == ["full", "less", "matched-of-less"]


def test_no_controls_if_they_are_not_wanted():
    arms = {"iqr": IQR, "quantile": {"curation": {"method": "self-confidence"}}}
    planned = plan(study(arms=arms, controls=False, compare=[["iqr", "quantile"]]))
    assert [arm.name for arm in planned.arms] == ["iqr", "quantile"]
    assert planned.comparisons == (("iqr", "quantile"),)


@pytest.mark.parametrize("pair", [["iqr", "full"], ["full", "iqr"]])
def test_a_pair_that_controls_bring_is_compared_once(pair):
    assert plan(study(compare=[pair])).comparisons == plan(study()).comparisons


def test_splits_and_teacher_are_the_same_for_all_seeds():
    asked = study(base={**BASE, "seed": 7, "bench": {"targets": ["host"]}, "gates": ["accuracy>=0.9"]})
    first, second = (recipe_of(asked, run) for run in plan(asked).runs if run.arm.name == "iqr")
    assert (first.seed, second.seed) == (1, 2)
    assert {first.data.seed, second.data.seed, first.teacher.seed, second.teacher.seed} == {7}
    assert first.bench.targets == () and first.gates == () and first.deterministic
    assert shared_stages(first) == shared_stages(second) != frozenset()


def test_seeds_of_the_file_are_kept():
    asked = study(base={**BASE, "data": {"seed": 3}, "teacher": {"seed": 4}})
    made = recipe_of(asked, plan(asked).runs[1])
    assert (made.data.seed, made.teacher.seed) == (3, 4)


@pytest.mark.parametrize(("match", "training"), [("steps", "steps"), ("epochs", "epochs"), ("flops", "steps")])
def test_the_match_decides_how_a_curated_set_is_trained(match, training):
    asked = study(match=match)
    assert recipe_of(asked, plan(asked).runs[1]).training.match == training


def test_groups_are_left_out_in_turn_and_names_are_safe_for_folders():
    planned = plan(study(seeds=1), ["Ann B/../x", "ann b-x"])
    names = [run.name for run in planned.runs]
    assert len(set(names)) == len(names) == 8
    assert all("/" not in name and ".." not in name for name in names)
    assert recipe_of(planned.study, planned.runs[0]).data.leave_out == "Ann B/../x"
    assert planned.runs[2].after == planned.runs[1].name


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ({"same": {}}, "is the same as the control 'full'"),
        ({"iqr": IQR, "again": {"curation.method": "iqr"}}, "'again' is 'iqr'"),
        ({"typo": {"curation": {"metod": "iqr"}}}, "Study arm 'typo': Unknown recipe key"),
        ({"typo": {"curation": {"method": "iqrr"}}}, "Study arm 'typo': .*iqr"),
    ],
)
def test_arms_that_cannot_be_used_are_named(arms, message):
    with pytest.raises(RecipeError, match=message):
        plan(study(arms=arms))


def test_each_fold_has_the_backbone_that_left_its_group_out(tmp_path):
    base = {**BASE, "student": {"name": "conv8", "backbone": str(tmp_path / "{leave_out}.keras"), "frozen": True}}
    planned = plan(study(base=base), groups=["ann", "bo"])
    found = {run.group: recipe_of(planned.study, run).student.backbone for run in planned.runs if run.after is None}
    assert found == {"ann": str(tmp_path / "ann.keras"), "bo": str(tmp_path / "bo.keras")}
