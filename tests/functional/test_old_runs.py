"""Folders and files that version 0.1.0 wrote (report schema 1) are read as they were meant; see tests/files/schema1/README.md."""

import json
import zipfile

import pytest
from tests.conftest import REPOSITORY
from typer.testing import CliRunner

import edgekit
from edgekit import recipe
from edgekit.cli import study_tables
from edgekit.cli.app import app
from edgekit.report import study_page
from edgekit.study.definition import load as load_study

OLD = REPOSITORY / "tests" / "files" / "schema1"


def unpacked(name, tmp_path):
    with zipfile.ZipFile(OLD / f"{name}.zip") as archive:
        archive.extractall(tmp_path)
    return tmp_path / name


def edgekit_command(*arguments):
    found = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert found.exit_code == 0, found.output
    return found.stdout


def test_a_recipe_file_says_what_it_said():
    asked = recipe.load(OLD / "recipe.yaml")
    assert (asked.curation.method, asked.curation.budget, asked.student.name) == ("self-confidence", 0.05, "conv8")
    assert (asked.training.epochs, asked.max_drop, asked.gates) == (2, 50, ("accuracy>=0.1",))


@pytest.mark.parametrize("name", ["run"])
def test_a_run_s_own_recipe_is_read_and_its_values_hold(tmp_path, name):
    folder = unpacked(name, tmp_path)
    text = (folder / "recipe.yaml").read_text()
    held, read = (
        recipe.from_yaml(text).model_dump(mode="json"),
        json.loads((folder / "report.json").read_text())["recipe"],
    )
    for section, values in read.items():
        for key, value in values.items() if isinstance(values, dict) else ():
            assert held[section][key] == value, f"{section}.{key}"


def test_a_run_is_opened_judged_and_its_report_written_again(tmp_path):
    folder = unpacked("run", tmp_path)
    before = json.loads((folder / "report.json").read_text())
    run = edgekit.open_run(folder)
    assert run.document == before
    assert all(gate.met for gate in edgekit.judge(run))
    assert "model_int8.tflite" in edgekit_command("report", folder)
    assert json.loads((folder / "report.json").read_text()) == before
    assert "gate" in edgekit_command("gate", folder, "--gate", "size_kb<=10")
    assert "model_int8.tflite" in edgekit_command("compare", folder, unpacked("run", tmp_path / "other"))
    assert json.loads(edgekit_command("curate", "show", folder, "--json"))


def test_a_compression_is_opened_and_judged(tmp_path):
    folder = unpacked("compressed", tmp_path)
    run = edgekit.open_run(folder)
    assert run.document["model"]["file"] == "student_float.keras"
    assert [gate.met for gate in edgekit.judge(run, ["size_kb<=10"])] == [True]


def test_a_study_is_read_and_shown(tmp_path, capsys):
    asked = load_study(OLD / "study.yaml")
    assert (list(asked.arms), list(asked.seeds)) == (["less", "fewer"], [1, 2])
    folder = unpacked("study", tmp_path)
    document = json.loads((folder / "study.json").read_text())
    assert "less" in study_page.render(document)
    study_tables.show(document, folder)
    assert "less" in capsys.readouterr().out
