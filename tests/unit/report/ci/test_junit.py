"""JUnit XML against the rules that the schemas of Ant's JUnit task and Jenkins's xUnit plugin share, written out here."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from tests.unit.finished_run import finished

from edgekit.errors import DataError
from edgekit.report.ci import junit
from edgekit.report.ci.outcome import Outcome, of_report
from edgekit.report.integrity import Check
from edgekit.types import Gate

_SUITE = {
    "name": r"\S.*", "package": r"\S+", "id": r"\d+", "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "hostname": r"\S.*",
    "tests": r"\d+", "failures": r"\d+", "errors": r"\d+", "skipped": r"\d+", "time": r"\d+\.\d+",
}  # fmt: skip


def checked(text: str) -> ElementTree.Element:
    """The suite of the document, which must keep to the schemas."""
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "testsuites" and not root.attrib
    (suite,) = root
    assert set(suite.attrib) == set(_SUITE)
    for name, form in _SUITE.items():
        assert re.fullmatch(form, suite.attrib[name]), name
    cases = suite.findall("testcase")
    assert [each.tag for each in suite] == ["properties", *["testcase"] * len(cases), "system-out", "system-err"]
    for each in suite[0]:
        assert each.tag == "property" and set(each.attrib) == {"name", "value"} and each.attrib["name"]
    for case in cases:
        assert set(case.attrib) == {"name", "classname", "time"}
        assert case.attrib["name"] == " ".join(case.attrib["name"].split())
        assert len(case) <= 1
        for result in case:
            allowed = {"message"} if result.tag == "skipped" else {"message", "type"}
            assert result.tag in ("failure", "error", "skipped") and set(result.attrib) == allowed
    names = [(case.attrib["classname"], case.attrib["name"]) for case in cases]
    assert len(set(names)) == len(names), "GitLab drops the second of a name"
    for tag, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(suite.attrib[count]) == sum(case.find(tag) is not None for case in cases)
    assert int(suite.attrib["tests"]) == len(cases)
    return suite


def results(suite):
    return {case.attrib["name"]: case[0].tag if len(case) else "passed" for case in suite.findall("testcase")}


MET = Gate(demand="accuracy>=0.9", found=0.91, met=True, where="val")
MISSED = Gate(demand="p50_ms<=2@ssh://user@pi", found=None, met=False, where="ssh://user@pi", note="not valid: hot")


def test_a_case_for_each_gate_and_each_check(tmp_path):
    run = finished(tmp_path / "r")
    outcome = Outcome(command="build", subject="r", seconds=2.5, **of_report(run, [MET, MISSED]))
    suite = checked(junit.render(outcome))
    assert results(suite) == {
        "edgekit build": "passed",
        "accuracy>=0.9": "passed",
        "p50_ms<=2@ssh://user@pi": "failure",
        "the files of the run are as manifest.json recorded them": "passed",
        "model_float32.tflite is the file that was judged": "passed",
        "model_int8.tflite is the file that was judged": "passed",
    }
    failure = suite.find("testcase/failure")
    assert failure.attrib["message"] == "not met, not measured: not valid: hot (model_int8.tflite)"
    assert failure.attrib["message"] in failure.text, "GitLab shows the text alone"
    assert suite.attrib["time"] == "2.500"
    properties = {each.attrib["name"]: each.attrib["value"] for each in suite.find("properties")}
    assert properties["shipped"] == "model_int8.tflite" and len(properties["sha256 of model_int8.tflite"]) == 64


def test_a_failed_build_is_an_error_and_its_gates_are_skipped():
    suite = checked(
        junit.render(
            Outcome(command="build", subject="a new run", unjudged=["accuracy>=0.9"], error=DataError("no data"))
        )
    )
    assert results(suite) == {"edgekit build": "error", "accuracy>=0.9": "skipped"}
    assert suite.find("testcase/error").attrib == {"message": "no data", "type": "DataError"}
    assert suite.find("system-err").text == "no data"


def test_the_same_gate_on_two_files_is_two_cases():
    suite = checked(junit.render(Outcome(command="bench", subject="a, b", gates=[("a", MET), ("b", MET)])))
    assert {"accuracy>=0.9 of a", "accuracy>=0.9 of b"} <= set(results(suite))


@pytest.mark.parametrize(
    "evil", ['"><testcase name="x"/>', "a\x00b\x1b[31m", "]]>", "&amp;<!--", "\ud800", "line\nend"]
)
def test_no_name_breaks_the_document(evil):
    gate = Gate(demand=f"accuracy>=0.9@{evil}", found=None, met=False, where=evil, note=evil)
    problem = Check(name=evil, problem=evil)
    outcome = Outcome(
        command="gate", subject=evil, gates=[(evil, gate)], checks=[problem], error=DataError(evil), facts={evil: evil}
    )
    assert len(checked(junit.render(outcome)).findall("testcase")) == 3
