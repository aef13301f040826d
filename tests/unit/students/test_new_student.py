"""A new student is one module, one line of the registry, and `make facts`."""

import importlib.util
import json
import sys

import pytest
from tests.conftest import REPOSITORY
from typer.testing import CliRunner

from edgekit import registry
from edgekit.students import facts

MODULE = """
from edgekit.students.blocks import softmax_head

INPUTS = ((28, 28, 1),)


def build(keras, input_shape, classes, width="s"):
    image = keras.Input(input_shape, name="image")
    x = keras.layers.Conv2D({"s": 2, "m": 4}[width], 3, strides=2, name="conv")(image)
    x = keras.layers.Flatten(name="flatten")(x)
    return keras.Model(image, softmax_head(keras, x, classes), name="toy")
"""


@pytest.fixture(autouse=True)
def toy(tmp_path, monkeypatch):
    (tmp_path / "toy_student.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    line = registry.Entry("toy_student:build", "one convolution", widths=("s", "m"))
    monkeypatch.setitem(registry.STUDENTS, "toy", line)
    yield
    sys.modules.pop("toy_student", None)


@pytest.fixture
def command(monkeypatch):
    """benchmarks/student_facts.py, which `make facts` runs."""
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    spec = importlib.util.spec_from_file_location("student_facts", REPOSITORY / "benchmarks" / "student_facts.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_listed_before_its_cost_is_known():
    from edgekit.cli.app import app

    done = CliRunner().invoke(app, ["list", "students"])
    assert done.exit_code == 0
    assert "  toy                  one convolution\n" in done.stdout


def test_the_command_names_what_is_missing(command, capsys):
    assert command.main(["--check"]) == 1
    assert capsys.readouterr().err == "facts.json lacks toy s, toy m: run `make facts`.\n"


@pytest.mark.tf
def test_it_is_built_and_the_command_finds_its_cost(command, tmp_path, monkeypatch):
    from edgekit import students
    from edgekit.frameworks import backend

    model = students.build("students", "toy", backend.load("tensorflow"), (28, 28, 1), 10, "m")
    assert model.output_shape == (None, 10)
    monkeypatch.setattr(command, "PATH", tmp_path / "facts.json")
    for name in set(registry.STUDENTS) - {"toy"}:
        monkeypatch.delitem(registry.STUDENTS, name)
    assert command.main([]) == 0
    made = json.loads((tmp_path / "facts.json").read_text())["students"]
    assert list(made) == ["toy"] and list(made["toy"]) == ["s", "m"]
    (row,) = made["toy"]["m"]
    assert (row["input"], row["params"]) == ([28, 28, 1], model.count_params())
    monkeypatch.setattr(facts, "PATH", tmp_path / "facts.json")
    facts.facts.cache_clear()
    assert facts.missing() == []
    facts.facts.cache_clear()
