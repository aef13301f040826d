"""The recipe that `edgekit init` writes, and the schema that editors check it by."""

import json
import re

import pytest
from typer.testing import CliRunner

from edgekit import recipe, registry
from edgekit.cli import init, schema
from edgekit.cli.app import app
from edgekit.errors import OutputInUse, UsageError
from edgekit.recipe import Recipe, fields
from edgekit.study.definition import Study

SECTIONS = [name for name, field in Recipe.model_fields.items() if fields.section_in(field.annotation)]


def test_every_key_has_a_description():
    """A new key needs a docstring below it."""
    for model in (Recipe, Study, recipe.NoiseSection):
        assert [key.dotted for key in fields.keys(model) if not key.description] == []
    assert all(fields.summary(type(getattr(Recipe(), name))) for name in SECTIONS)


def test_a_key_that_a_section_declares_anew_keeps_its_description():
    assert fields.key(Recipe, "teacher.epochs").description == fields.key(Recipe, "training.epochs").description
    assert fields.key(Recipe, "teacher.name").description.startswith("Network whose predictions drive curation.")
    with pytest.raises(KeyError):
        fields.key(Recipe, "seed.none")


@pytest.mark.parametrize("uncommented", [False, True])
def test_the_file_loads_as_the_default_recipe(tmp_path, uncommented):
    text = init.text("recipe.yaml", None)
    if uncommented:
        text = re.sub(r"(?m)^(\s*)#(\w+:)", r"\1\2", text)
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    assert recipe.load(path) == Recipe()
    # A method that trains several networks still gets its fast teacher, which a file of all defaults would override.
    if not uncommented:
        assert recipe.load(path, values={"curation.method": "margin"}).teacher.name == "microresnet"


def test_a_line_that_is_uncommented_counts(tmp_path):
    path = tmp_path / "recipe.yaml"
    text = init.text("recipe.yaml", None)
    assert text.count("  #max_edit: null") == 1
    path.write_text(text.replace("  #max_edit: null", "  max_edit: 0.01"))
    assert recipe.load(path) == recipe.load(settings=["curation.max_edit=0.01"])


def test_only_sections_may_be_empty(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("training:\ndata:\n  audio:\n  limit: 5\n")
    assert recipe.load(path, ["training.epochs=3"]) == recipe.load(settings=["training.epochs=3", "data.limit=5"])
    path.write_text("seed:\n")
    with pytest.raises(recipe.RecipeError, match="seed"):
        recipe.load(path)


def test_init_writes_and_does_not_overwrite(tmp_path):
    runner = CliRunner()
    done = runner.invoke(app, ["init", str(tmp_path), "--schema"])
    assert done.exit_code == 0, done.output
    path, beside = tmp_path / "recipe.yaml", tmp_path / "recipe.schema.json"
    assert path.read_text().startswith("# yaml-language-server: $schema=recipe.schema.json\n")
    assert json.loads(beside.read_text()) == json.loads(runner.invoke(app, ["schema"]).output)
    assert recipe.load(path) == Recipe()
    path.write_text("mine")
    with pytest.raises(OutputInUse, match="--force"):
        runner.invoke(app, ["init", str(path)], catch_exceptions=False)
    assert path.read_text() == "mine"
    assert runner.invoke(app, ["init", str(path), "--force"]).exit_code == 0
    assert "$schema" not in path.read_text()
    with pytest.raises(UsageError, match="neither"):
        runner.invoke(app, ["init", str(tmp_path / "recipe.txt")], catch_exceptions=False)


def test_the_schema_knows_names_explanations_and_forms_that_the_models_read():
    found = schema.document()
    models = found["$defs"]
    assert models["CurationSection"]["properties"]["method"]["enum"] == list(registry.CURATIONS)
    assert "auto" in models["StudentSection"]["properties"]["name"]["enum"]
    assert found["properties"]["seed"]["description"].startswith("RNG seed of splits")
    assert found["additionalProperties"] is False
    size = models["StudentSection"]["properties"]["max_size"]["anyOf"]
    assert any(re.search(each.get("pattern", "$^"), "40KB") for each in size)
    edits = models["CurationSection"]["properties"]["max_edit"]["anyOf"]
    assert any(re.search(each.get("pattern", "$^"), "1%") for each in edits)
    image = models["DataSection"]["properties"]["image_size"]["anyOf"]
    assert any(re.search(each.get("pattern", "$^"), "96x128") for each in image)
    assert {"type": "null"} in found["properties"]["training"]["anyOf"]
