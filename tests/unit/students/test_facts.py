"""facts.json is true for the code as it is."""

import json
import subprocess
import sys

import numpy as np
import pytest

from edgekit import registry
from edgekit.students.facts import CLASSES, facts, missing

CASES = [(name, width, fact) for name, widths in facts().items() for width, rows in widths.items() for fact in rows]


def named(value):
    return "x".join(map(str, value.input)) if hasattr(value, "input") else str(value)


def test_every_student_and_width_has_facts():
    assert not missing(), "run `make facts`"
    assert {name: set(widths) for name, widths in facts().items()} == {
        name: set(entry.widths or ("",)) for name, entry in registry.STUDENTS.items() if not entry.from_file
    }


def test_the_list_shows_them_without_a_framework():
    code = (
        "import sys; from edgekit.cli.app import app; app(sys.argv[1:], standalone_mode=False); "
        "assert 'keras' not in sys.modules"
    )
    printed = {}
    for arguments in (("list", "students"), ("list", "students", "--json")):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        printed[len(arguments)] = done.stdout
    fact = facts()["conv8"][""][0]
    assert "28x28x1         70,464 MAC      21,898 parameters" in printed[2]
    assert f"{fact.int8_bytes / 1024:,.1f} KB int8" in printed[2]
    costs = json.loads(printed[3])["students"]["conv8"]["costs"]
    assert costs[0] == {"width": "", "input": [28, 28, 1], "macs": 70_464, "params": 21_898} | {
        name: getattr(fact, name) for name in ("int8_bytes", "bytes_per_class", "bytes_per_channel")
    }


@pytest.fixture(scope="module")
def built():
    from edgekit import students
    from edgekit.frameworks import backend

    keras = backend.load("tensorflow")

    def build(name, width, shape, classes=CLASSES):
        backend.seed(keras, 0, deterministic=False)
        return students.build("students", name, keras, shape, classes, width)

    return build


@pytest.mark.tf
@pytest.mark.parametrize(("name", "width", "fact"), CASES, ids=named)
def test_macs_and_parameters(built, name, width, fact):
    from edgekit.training import flops

    model = built(name, width, fact.input)
    assert (flops.macs(model), model.count_params()) == (fact.macs, fact.params)


def int8_bytes(model):
    from edgekit.export import tflite
    from edgekit.export.shrink import shrink

    samples = np.random.default_rng(1).random((2, *model.input.shape[1:]), dtype=np.float32)
    return len(shrink(tflite.convert(model, "int8", calibration=samples)))


@pytest.mark.tf
@pytest.mark.parametrize(
    ("name", "width", "fact"),
    [case for case in CASES if case[2].params < 100_000 and case[2] is facts()[case[0]][case[1]][0]],
    ids=named,
)
def test_int8_sizes(built, name, width, fact):
    assert int8_bytes(built(name, width, fact.input)) == pytest.approx(fact.int8_bytes, rel=0.01)


@pytest.mark.tf
def test_sizes_of_other_inputs_are_estimated(built):
    fact = next(fact for fact in facts()["microresnet"]["s"] if fact.input == (28, 28, 1))
    assert fact.estimate(3, 47) == pytest.approx(int8_bytes(built("microresnet", "s", (28, 28, 3), 47)), rel=0.01)
