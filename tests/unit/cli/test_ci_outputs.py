"""--gate, --junit and --summary of the commands, in one process: on a run made by hand, and on a file of the zoo."""

import json
import xml.etree.ElementTree as ElementTree

import pytest
from tests.conftest import REPOSITORY
from tests.unit.finished_run import finished
from typer.testing import CliRunner

from edgekit.cli.app import app

PRODUCT = REPOSITORY / "models" / "fashion-mnist-s-int8" / "model_int8.tflite"


def edgekit(*arguments, code=0):
    """stdout of a command, and stderr with the message of the error that it ended with."""
    done = CliRunner().invoke(app, list(map(str, arguments)))
    found = 0 if done.exception is None else getattr(done.exception, "exit_code", 1)
    assert found == code, (done.output, done.exception)
    return done.stdout, f"{done.stderr}{done.exception or ''}"


def cases(path):
    found = ElementTree.parse(path).getroot().iter("testcase")
    return {case.attrib["name"]: case[0].tag if len(case) else "passed" for case in found}


@pytest.fixture(autouse=True)
def _no_workflow(monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def test_a_run_that_meets_its_gates(tmp_path):
    run = finished(tmp_path / "r").path
    before = sorted((p, p.stat().st_mtime_ns) for p in run.rglob("*"))
    out, _ = edgekit("gate", run, "--gate", "size_kb<=3", "--max-drop", 0.5, "--junit", tmp_path / "j.xml")
    assert "gate size_kb<=3: met, found 3\n" in out and "gate max_drop<=0.5 points: met" in out
    assert set(cases(tmp_path / "j.xml").values()) == {"passed"} and len(cases(tmp_path / "j.xml")) == 6
    assert sorted((p, p.stat().st_mtime_ns) for p in run.rglob("*")) == before, "a judge writes nothing into the run"


def test_a_missed_gate_is_exit_code_7_and_is_written_down(tmp_path):
    run = finished(tmp_path / "r").path
    files = ("--junit", tmp_path / "j.xml", "--summary", tmp_path / "s.md")
    out, message = edgekit("gate", run, "--gate", "p50_ms<=2@ssh://user@pi", "--gate", "accuracy>=0.9", *files, code=7)
    assert "gate p50_ms<=2@ssh://user@pi: NOT met, found 3 on ssh://user@pi" in out
    assert "Gate not met: p50_ms<=2@ssh://user@pi (found 3" in message
    found = cases(tmp_path / "j.xml")
    assert found["p50_ms<=2@ssh://user@pi"] == "failure" and found["accuracy>=0.9"] == found["edgekit gate"] == "passed"
    assert "1 of 2 gates met" in (tmp_path / "s.md").read_text()


def test_recalls_and_balanced_accuracy_are_gates_of_a_finished_run(tmp_path):
    rows = finished(tmp_path / "old").document["evaluations"]
    figures = {
        "balanced_accuracy": 0.7,
        "macro_f1": 0.72,
        "per_class": {"a": {"n": 40, "recall": 0.9}, "b": {"n": 0, "recall": None}},
    }
    run = finished(tmp_path / "r", evaluations=[row | figures for row in rows]).path
    files = ("--junit", tmp_path / "j.xml", "--summary", tmp_path / "s.md")
    demands = ("--gate", "balanced_accuracy>=0.7", "--gate", "recall:a>=0.85", "--gate", "recall:b>=0.5")
    out, _ = edgekit("gate", run, *demands, *files, code=7)
    assert "gate recall:a>=0.85: met, found 0.9 on val, 95 % interval 0.769 to 0.96: more samples" in out
    assert "gate recall:b>=0.5: NOT met, not measured: no sample of val is of that class" in out
    found = cases(tmp_path / "j.xml")
    assert [found[text] for text in demands[1::2]] == ["passed", "passed", "failure"]
    assert (
        "2 of 3 gates met" in (tmp_path / "s.md").read_text()
        and "balanced accuracy" not in (tmp_path / "s.md").read_text()
    )
    assert "Unknown class in a gate, 'c'. Known: a, b." in edgekit("gate", run, "--gate", "recall:c>=0.5", code=2)[1]
    assert "older edgekit" in edgekit("gate", tmp_path / "old", "--gate", "recall:a>=0.5", code=7)[0]


def test_without_a_demand_its_own_gates_are_judged_and_json_is_json(tmp_path):
    run = finished(tmp_path / "r").path
    found = json.loads(edgekit("gate", run, "--json")[0])
    assert [(row["demand"], row["met"]) for row in found["gates"]] == [("accuracy>=0.9", True)]
    assert len(found["checks"]) == 3 and not any(row["problem"] for row in found["checks"])


def test_a_changed_file_is_exit_code_9_even_if_the_gates_hold(tmp_path):
    run = finished(tmp_path / "r").path
    (run / "artifacts" / "model_int8.tflite").write_bytes(b"another")
    _, message = edgekit("gate", run, "--gate", "accuracy>=0.9", "--junit", tmp_path / "j.xml", code=9)
    assert "changed since the run wrote it" in message
    found = cases(tmp_path / "j.xml")
    assert found["edgekit gate"] == "error" and found["accuracy>=0.9"] == "passed"
    assert found["model_int8.tflite is the file that was judged"] == "failure"


def test_refusals_come_before_any_work_and_are_written_down_too(tmp_path):
    run = finished(tmp_path / "r").path
    _, message = edgekit("gate", run, "--gate", "p50_ms<=2@adb", "--junit", tmp_path / "j.xml", code=2)
    assert "adb is not benchmarked; the targets are: host, ssh://user@pi" in message
    assert cases(tmp_path / "j.xml") == {"edgekit gate": "error", "p50_ms<=2@adb": "skipped"}
    assert "has no report.json" in edgekit("gate", tmp_path / "none", code=9)[1]
    assert "--junit" in edgekit("gate", run, "--junit", tmp_path / "none" / "j.xml", code=2)[1]
    assert "--summary" in edgekit("gate", run, "--summary", tmp_path, code=2)[1]


def test_the_step_summary_of_github_is_appended_to(tmp_path, monkeypatch):
    run, step = finished(tmp_path / "r").path, tmp_path / "step.md"
    step.write_text("# before\n\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    edgekit("gate", run)
    edgekit("gate", run, "--gate", "accuracy>=0.99", "--summary", step, code=7)
    text = step.read_text()
    assert text.startswith("# before\n\n## edgekit gate: passed\n") and text.count("## edgekit gate: FAILED\n") == 1
    edgekit("gate", run, "--summary", tmp_path / "own.md")
    edgekit("gate", run, "--summary", tmp_path / "own.md")
    assert (tmp_path / "own.md").read_text().count("## edgekit gate") == 1, "a file of one's own is written anew"


def test_a_build_that_fails_is_an_error_in_both(tmp_path):
    arguments = ("--data", tmp_path / "nowhere.npz", "--gate", "accuracy>=0.9", "--out", tmp_path / "run")
    edgekit("build", *arguments, "--junit", tmp_path / "j.xml", "--summary", tmp_path / "s.md", code=4)
    assert cases(tmp_path / "j.xml") == {"edgekit build": "error", "accuracy>=0.9": "skipped"}
    assert "does not exist" in (tmp_path / "s.md").read_text()
    assert "--dry-run builds nothing" in edgekit("build", "--dry-run", "--junit", tmp_path / "x.xml", code=2)[1]


@pytest.mark.parametrize("command", ["build", "compress"])
def test_a_target_that_is_not_benched_is_refused_before_data_are_read(command, tmp_path):
    model = ("--model", tmp_path / "m.keras") if command == "compress" else ()
    _, message = edgekit(
        command, *model, "--data", tmp_path / "nowhere.npz", "--gate", "p50_ms<=2@ssh://user@pi", "--target", "host",
        "--out", tmp_path / "run", code=2,
    )  # fmt: skip
    assert "ssh://user@pi is not benchmarked; the targets are: host." in message and not (tmp_path / "run").exists()


def test_files_are_judged_on_the_split_that_they_are_evaluated_on(tmp_path):
    """The product on the shipped 1,000 test images."""
    gates = ("--gate", "accuracy>=0.5", "--gate", "size_kb<=10", "--junit", tmp_path / "j.xml")
    out, _ = edgekit("evaluate", PRODUCT, *gates, code=7)
    assert f"gate accuracy>=0.5 of {PRODUCT}: met, found 0." in out and " on test, 95 % interval " in out
    assert cases(tmp_path / "j.xml")["size_kb<=10"] == "failure"
    assert "`edgekit bench` judges it" in edgekit("evaluate", PRODUCT, "--gate", "p50_ms<=2", code=2)[1]


def test_files_are_judged_by_what_bench_measured(tmp_path):
    gates = ("--gate", "peak_rss_mb<=100000", "--gate", "size_kb<=10", "--summary", tmp_path / "s.md")
    out, message = edgekit("bench", PRODUCT, "--threads", 1, "--runs", 50, *gates, "--json", code=7)
    assert json.loads(out)[0]["threads"] == 1, "stdout is one document"
    assert (
        f"gate peak_rss_mb<=100000 of {PRODUCT}: met" in message
        and f"gate size_kb<=10 of {PRODUCT}: NOT met" in message
    )
    assert "1 of 2 gates met" in (tmp_path / "s.md").read_text()
    assert "`edgekit evaluate` judges it" in edgekit("bench", PRODUCT, "--gate", "accuracy>=0.9", code=2)[1]
    assert "add 1" in edgekit("bench", PRODUCT, "--threads", 2, "--gate", "p50_ms<=2", code=2)[1]


def test_a_step_summary_that_cannot_be_written_spoils_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "step.md"))
    assert "the step's summary was not written" in edgekit("gate", finished(tmp_path / "r").path)[1]
