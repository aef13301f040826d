import pytest
from tests.unit.finished_run import finished, measurement

from edgekit import report as reports
from edgekit.errors import IntegrityError, RecipeError, UsageError
from edgekit.report import integrity, values
from edgekit.types import Report


def read(path):
    return Report(path=path, document=reports.read(path))


def test_the_values_of_a_run_come_back(tmp_path):
    run = read(finished(tmp_path / "r").path)
    first, second = values.artifacts(run)
    assert (first.size_bytes, second.name, second.path.stat().st_size) == (8192, "model_int8.tflite", 3072)
    assert second.inputs[0].shape == (1, 28, 28, 1)
    assert [(row.split, row.accuracy) for row in values.evaluations(run)][2:] == [("val", 0.91), ("test", 0.895)]
    assert values.measurements(run)[2].target == "ssh://user@pi"


def test_a_run_is_judged_again_without_a_build(tmp_path):
    run = read(finished(tmp_path / "r").path)
    demands = [
        "accuracy>=0.91",
        "size_kb<=3",
        "p50_ms<=2@host",
        "p50_ms<=2@ssh://user@pi",
        "p50_ms<=4",
        "peak_rss_mb<=10",
    ]
    found = values.judge(run, demands, max_drop=0.5)
    assert [gate.met for gate in found] == [True, True, True, False, True, True, True]
    assert found[4].where == "ssh://user@pi", "the slowest"
    assert found[-1].found == 0.5 and found[-1].interval == pytest.approx((-0.2, 1.2))


def test_without_demands_it_is_judged_by_its_own(tmp_path):
    rows = [
        {"demand": demand, "found": 1.0, "met": True, "where": "val", "interval": None, "settled": None}
        for demand in ("accuracy>=0.95", "max_drop<=0.4 points")
    ]
    run = read(finished(tmp_path / "r", gates=rows).path)
    assert [(gate.demand, gate.met) for gate in values.judge(run)] == [
        ("accuracy>=0.95", False), ("max_drop<=0.4 points", False),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="built without a gate"):
        values.judge(read(finished(tmp_path / "bare", gates=[]).path))


def test_what_the_run_did_not_measure_is_refused(tmp_path):
    run = read(finished(tmp_path / "r").path)
    with pytest.raises(RecipeError, match="adb is not benchmarked; the targets are: host, ssh://user@pi"):
        values.judge(run, ["p50_ms<=2@adb"])
    with pytest.raises(RecipeError, match="no target is benchmarked"):
        values.judge(read(finished(tmp_path / "n", measurements=[]).path), ["p50_ms<=2"])
    failed = read(finished(tmp_path / "f", bench_failures={"adb": "no device"}).path)
    assert not values.judge(failed, ["p50_ms<=9"])[0].met
    with pytest.raises(IntegrityError, match="Evaluation without n"):
        row = {k: v for k, v in run.document["evaluations"][0].items() if k != "n"}
        values.judge(read(finished(tmp_path / "old", evaluations=[row]).path), ["accuracy>=0.9"])


def test_a_whole_run_holds_and_a_changed_file_does_not(tmp_path):
    run = finished(tmp_path / "r")
    assert not [check for check in integrity.checks(run.path, run.document) if check.problem]
    (run.path / "report.html").unlink()  # `edgekit report` makes it again
    assert not [check for check in integrity.checks(run.path, run.document) if check.problem]
    (run.path / "artifacts" / "model_int8.tflite").write_bytes(b"another")
    problems = [check.problem for check in integrity.checks(run.path, run.document) if check.damage]
    assert "changed since the run wrote it" in problems[0]
    assert problems[1] == "artifacts/model_int8.tflite is not the file that the report describes"
    (run.path / "manifest.json").unlink()
    assert "is not a valid edgekit manifest" in integrity.checks(run.path, run.document)[0].problem


def test_other_outputs_on_a_device_and_a_failed_target_are_problems_but_no_damage(tmp_path):
    rows = [measurement("model_int8.tflite", target="pi", parity={"holds": False})]
    run = finished(tmp_path / "r", measurements=rows, bench_failures={"adb": "no device"})
    problems = [check for check in integrity.checks(run.path, run.document) if check.problem]
    assert [check.problem for check in problems] == [
        "model_int8.tflite with 1 thread(s) does not compute the same on pi as here", "adb: no device",
    ]  # fmt: skip
    assert not any(check.damage for check in problems)
