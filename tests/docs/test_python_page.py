"""docs/python.md: its blocks run in order, as a reader would type them; those that train apart, marked tf."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from tests.conftest import REPOSITORY
from typer.testing import CliRunner

import edgekit
from edgekit.cli.app import app

PAGE = (REPOSITORY / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TRAINS = "# docs: trains"


def run(blocks):
    names = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)  # noqa: S102 - our own page
    return names


def test_every_public_function_and_value_is_on_the_page():
    assert not [name for name in edgekit.__all__ if not re.search(rf"\b{name}\b", PAGE)]


def test_the_examples_run(monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    names = run(block for block in BLOCKS if TRAINS not in block)
    out = capsys.readouterr().out
    assert "Dataset('fashion-mnist-mini': 10 classes" in out and "Artifact('model_int8.tflite', int8" in out
    assert names["found"].split == "val" and names["found"].accuracy > 0.8
    assert names["timed"][0].threads == 1
    assert "Selection('self-confidence': kept 99 of 100, dropped 1) ['photo7.jpg']" in out


@pytest.mark.tf
def test_the_build_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = run(["import edgekit", *(block for block in BLOCKS if TRAINS in block)])
    out = capsys.readouterr().out
    assert names["report"].document["gates"][0]["met"]
    assert "model_int8.tflite test" in out and "accuracy>=0.05 True" in out
    # The report of the error.
    assert "Report('runs/second': model_int8.tflite" in out and "0 of 1 gates met)" in out
    assert edgekit.open_run("runs/first").document == names["report"].document
    # The command line on the same run; the second build takes its stages from the cache.
    assert judged("gate", "runs/first", "--gate", "size_kb<=100", "--max-drop", "100") == {
        "size_kb<=100": "passed",
        "max_drop<=100 points": "passed",
    }
    assert "## edgekit gate: passed" in Path("s.md").read_text()
    again = ("build", "--recipe", "runs/first/recipe.yaml", "--out", "runs/third")
    assert judged(*again, "--gate", "size_kb<=1", "--gate", "accuracy>=0") == {
        "size_kb<=1": "failure",
        "accuracy>=0": "passed",
    }
    assert "1 of 2 gates met" in Path("s.md").read_text() and "Verdict on the curation" in Path("s.md").read_text()


def judged(*arguments):
    """What JUnit XML tells of the gates; everything else in it must be fine."""
    CliRunner().invoke(app, [*arguments, "--junit", "j.xml", "--summary", "s.md"])
    cases = {
        case.attrib["name"]: (case.attrib["classname"].endswith(".gates"), case[0].tag if len(case) else "passed")
        for case in ElementTree.parse("j.xml").getroot().iter("testcase")
    }
    assert all(result == "passed" for is_gate, result in cases.values() if not is_gate)
    assert len(cases) > 4
    return {name: result for name, (is_gate, result) in cases.items() if is_gate}
