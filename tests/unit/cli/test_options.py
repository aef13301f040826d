"""The options of the commands: made from the keys of a recipe, described once, and read by it."""

import inspect
import json

import pytest
import typer
from typer.testing import CliRunner

from edgekit import recipe
from edgekit.cli import build, compress, curate, init, options, schema, study, train
from edgekit.cli.app import app
from edgekit.cli.commands import COMMANDS
from edgekit.cli.signature import settings
from edgekit.recipe import Recipe, fields

COMMAND = typer.main.get_command(app)
RUN = {"recipe", "set_", "out", "force", "resume", "dry_run", "junit", "summary", "as_json"}


def params(name):
    return {param.name: param for param in COMMAND.commands[name].params}


def planned(*arguments):
    """The recipe that a build would have."""
    done = CliRunner().invoke(app, ["build", "--dry-run", "--json", *arguments])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)["recipe"]


def test_every_option_of_build_is_a_key_of_the_recipe_or_of_the_run():
    known = {option.name: option.key for option in options.TABLE}
    keys = {key.dotted for key in fields.keys(Recipe)}
    own = set(params("build")) - {"help"}
    assert own - RUN == {name for name, key in known.items() if key in build.KEYS}
    assert set(known.values()) <= keys and own >= RUN


@pytest.mark.parametrize(
    ("name", "keys"),
    [("build", build.KEYS), ("train", train.KEYS), ("curate", curate.KEYS), ("compress", compress.KEYS)],
)
def test_a_description_is_the_same_in_help_init_and_schema(name, keys):
    document, text = schema.document(), " ".join(init.text("recipe.yaml", None).replace("#", " ").split())
    shown = params(name)
    for option in options.of(*keys):
        said = fields.key(Recipe, option.key).description
        section, _, last = option.key.rpartition(".")
        model = document["$defs"][type(getattr(Recipe(), section)).__name__] if section else document
        assert model["properties"][last]["description"] == said
        assert shown[option.name].help.split(" [")[0] == said, option.flag
        assert said in text and said.endswith("."), option.flag


def test_options_of_training_reach_the_recipe():
    found = planned("--epochs", "3", "--batch-size", "16", "--learning-rate", "0.01")["training"]
    assert (found["epochs"], found["batch_size"], found["learning_rate"]) == (3, 16, 0.01)
    # "auto" is what the data decide, and a dry run says what that is.
    assert planned("--epochs", "auto") == planned()
    done = CliRunner().invoke(app, ["train", "--epochs", "many"])
    assert isinstance(done.exception, recipe.RecipeError) and "whole number from 1" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "key", "value"),
    [
        (["--max-edit", "1%", "--curate", "iqr"], "curation.max_edit", 0.01),
        (["--max-edit", "0.02", "--curate", "iqr"], "curation.max_edit", 0.02),
        (["--members", "margin, aum", "--curate", "consensus"], "curation.members", ["margin", "aum"]),
        (["--max-size", "40KB"], "student.max_size", 40_960),
        (["--image-size", "28"], "data.image_size", [28, 28]),
        (["--logits-output"], "quantization.output", "logits"),
        (["--deterministic"], "deterministic", True),
        (["--gate", "size_kb<=90", "--gate", "accuracy>=0.5"], "gates", ["size_kb<=90", "accuracy>=0.5"]),
        (["--max-drop", "1"], "max_drop", 1.0),
        (["--prune", "0.5"], "pruning.sparsity", 0.5),
        (["--seed", "7"], "seed", 7),
    ],
)
def test_an_option_sets_its_key(arguments, key, value):
    found = planned(*arguments)
    for part in key.split("."):
        found = found[part]
    assert found == value


@pytest.mark.parametrize("text", ["0%", "200%", "much", "1.5"])
def test_a_share_of_edits_is_a_share(text):
    done = CliRunner().invoke(app, ["build", "--dry-run", "--curate", "iqr", "--max-edit", text])
    assert isinstance(done.exception, recipe.RecipeError) and "curation.max_edit" in str(done.exception)


def test_paths_of_data_mean_the_same_from_any_folder(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    assert options.existing_path("photos") == str(tmp_path / "photos")
    assert options.existing_path("fashion-mnist") == "fashion-mnist" and options.existing_path("") == ""


def test_values_of_a_section_by_their_names():
    assert settings({"bench.runs": 50, "bench.threads": None, "seed": 1}, "bench") == {"runs": 50}


def test_the_options_of_a_study_are_described_by_the_study_file():
    shown = params("study")
    for option in study.OPTIONS:
        assert shown[option.name].help.startswith(fields.key(study.Study, option.key).description)


def test_no_command_is_written_with_more_than_10_parameters():
    from importlib import import_module

    for listed in COMMANDS.values():
        module = import_module(f"edgekit.cli.{listed.path.partition(':')[0]}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            # What `taking` made has a signature of its own; the code is that of the function it calls.
            made = getattr(function, "__closure__", None) if hasattr(function, "__signature__") else None
            inner = [cell.cell_contents for cell in made or () if inspect.isfunction(cell.cell_contents)]
            for each in inner or [function]:
                if each.__module__ == module.__name__:
                    assert each.__code__.co_argcount + each.__code__.co_kwonlyargcount <= 10, name
