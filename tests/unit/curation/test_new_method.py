"""A new curation method with a parameter of its own is one module and one line of the registry."""

import json
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import edgekit
from edgekit import recipe, registry
from edgekit.curation import select
from edgekit.errors import RecipeError
from edgekit.types import Signals

MODULE = """
import numpy as np

from edgekit.types import Decision, Scores


def decide(signals, *, budget, seed, params):
    count = len(signals.ids)
    drop = {i: "comb" for i in range(0, count, params["step"])}
    values = np.arange(count, dtype=np.float32) * params["slope"]
    return Decision(scores=Scores(method="comb", ids=signals.ids, values=values), drop=drop)
"""
SIGNALS = Signals(ids=np.array([f"train/{i}" for i in range(40)]), labels=np.arange(40) % 2, classes=2)


@pytest.fixture(autouse=True)
def comb(tmp_path, monkeypatch):
    (tmp_path / "toy_comb.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    line = registry.Entry("toy_comb:decide", "drop each tenth sample", params={"step": 10, "slope": 1.0})
    monkeypatch.setitem(registry.CURATIONS, "comb", line)
    yield
    sys.modules.pop("toy_comb", None)


def test_its_parameter_reaches_it_from_a_recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("curation: {method: comb, max_class_edit: 1, params: {step: 4}}\n")
    made = recipe.load(path)
    selection, _ = select(SIGNALS, made.curation, seed=1)
    assert list(selection.dropped) == [f"train/{i}" for i in range(0, 40, 4)]
    assert selection.params["params"] == {"step": 4}
    assert recipe.from_yaml(made.to_yaml()) == made
    assert len(edgekit.curate(SIGNALS, "comb", max_class_edit=1, params={"step": 20}).dropped) == 2
    assert len(edgekit.curate(SIGNALS, "comb", max_class_edit=1).dropped) == 4, "the default of its line"


def test_its_parameter_reaches_it_from_the_command_line(small_npz, tmp_path):
    from edgekit.cli.app import app

    asked = ["--data", str(small_npz), "--curate", "comb", "--set", "curation.params.step=50"]
    asked += ["--set", "curation.max_class_edit=1"]
    done = CliRunner().invoke(app, ["curate", *asked, "--out", str(tmp_path / "run"), "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    summary = json.loads((tmp_path / "run" / "curation" / "summary.json").read_text())
    assert summary["params"]["params"] == {"step": 50}
    assert summary["n_dropped"] == len(range(0, summary["n_before"], 50))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "comb", "params": {"stepp": 4}}, r"'comb' has no parameter 'stepp' \(known: step, slope\)"),
        ({"method": "comb", "params": {"step": 4.5}}, "expected int for the parameter 'step' of 'comb'; found 4.5"),
        (
            {"method": "comb", "params": {"slope": "steep"}},
            "expected float for the parameter 'slope' of 'comb'; found 'steep'",
        ),
        ({"method": "comb", "params": {"step": True}}, "found True"),
        ({"method": "random", "budget": 5, "params": {"step": 4}}, r"'random' has no parameter 'step' \(known: none\)"),
    ],
)
def test_a_parameter_that_it_does_not_have_is_refused(values, message):
    with pytest.raises(RecipeError, match=message):
        recipe.section_of(values)


def test_recipes_without_one_are_as_before():
    assert "params" not in recipe.section_of({"method": "iqr"}).model_dump(mode="json")
    one, other = (
        recipe.from_mapping({"curation": {"method": "comb", **more}}) for more in ({}, {"params": {"step": 3}})
    )
    assert recipe.differences(one, other) == recipe.differences(other, one) == ["curation.params.step"]


def test_it_is_listed_with_its_parameters():
    from edgekit.cli.app import app

    assert "--set curation.params.step=10" in CliRunner().invoke(app, ["list", "curations"]).stdout


def test_no_parameter_hides_a_key_of_the_section():
    for entry in registry.CURATIONS.values():
        assert not set(entry.params) & set(recipe.CurationSection.model_fields)
