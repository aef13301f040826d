"""What is asked of a study's folder before anything is run, and what a study that is not whole ends with."""

import json
from pathlib import Path

import pytest

from edgekit.errors import IntegrityError, OutputInUse, TrainingError, UsageError
from edgekit.study.conduct import begun, conduct, shortfall
from edgekit.study.definition import Study
from edgekit.types import Silent

OUT = Path("studies/x")


def study(**values):
    return Study.model_validate(
        {"base": {"student": {"name": "conv8"}}, "arms": {"a": {"student": {"name": "microresnet"}}}, "seeds": 2}
        | values
    )


def held(path, content):
    path.mkdir(exist_ok=True)
    (path / "manifest.json").write_text(json.dumps({"files": {}} | content))


def refused(path, asked, **options):
    with pytest.raises(UsageError) as found:
        conduct(asked, path, None, reporter=Silent(), **options)
    return found


def test_a_folder_in_use_is_refused_with_the_options_that_a_study_has(tmp_path):
    held(tmp_path, {"study": study().model_dump(mode="json")})
    found = refused(tmp_path, study(), resume=False)
    assert found.type is OutputInUse
    assert "--resume" in str(found.value) and "--force" not in str(found.value)
    held(tmp_path, {"recipe": "seed: 1"})
    assert "folder of a build" in str(refused(tmp_path, study(), resume=True).value)


def test_another_study_is_told_by_what_differs(tmp_path):
    held(
        tmp_path,
        {"study": study(base={"student": {"name": "conv8"}, "training": {"epochs": 3}}).model_dump(mode="json")},
    )
    now = study(base={"student": {"name": "conv8"}, "training": {"epochs": 4}}, match="flops", max_hours=3)
    message = str(refused(tmp_path, now, resume=True).value)
    assert "base.training.epochs (was 3, now 4); match (was steps, now flops)" in message
    assert "no test" not in message and "max_hours" not in message
    now = study(base={"student": {"name": "conv8"}, "training": {"epochs": 3}}, seeds=3)
    message = str(refused(tmp_path, now, resume=True).value)
    assert "seeds (was [1, 2], now [1, 2, 3])" in message and "not a test" in message
    assert begun(tmp_path)["seeds"] == [1, 2] and begun(tmp_path / "none") is None


def content(statuses, refused=(), outstanding=()):
    runs = [{"name": f"a-{i}", "status": status, "reason": "the loss is nan"} for i, status in enumerate(statuses)]
    return {"runs": runs, "not_judged": list(refused), "outstanding": list(outstanding)}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            content(["complete", "failed", "failed"]),
            "2 of 3 runs failed, such as a-1: the loss is nan. See studies/x/study.json.",
        ),
        (
            content(["complete", "not run"], outstanding=["a-1"]),
            "1 of 2 runs are missing; --resume runs the rest. See studies/x/study.json.",
        ),
        (
            content(["failed", "not run"]),
            "No run of the study finished; 1 of 2 runs failed, such as a-0: the loss is nan. See studies/x/study.json.",
        ),
    ],
)
def test_a_study_that_is_not_whole_ends_with_an_error(found, message):
    error = shortfall(found, OUT)
    assert type(error) is TrainingError and str(error) == message


def test_comparisons_that_no_run_can_mend_end_with_an_error_and_a_whole_study_does_not():
    row = {"arm": "a", "control": "full", "artifact": "shipped", "status": "broken", "reason": "the graphs differ"}
    error = shortfall(content(["complete"], [row]), OUT)
    assert type(error) is IntegrityError and "a against full in shipped: the graphs differ" in str(error)
    assert shortfall(content(["complete", "not needed"], [row | {"status": "missing"}]), OUT) is None
