"""The recipe that `edgekit init` writes, and the schema that editors check it by."""

import json
import re

import pytest
from typer.testing import CliRunner

from edgekit import recipe, registry
from edgekit.cli import init, schema
from edgekit.cli.app import app
from edgekit.errors import OutputInUse, UsageError
from edgekit.recipe import Recipe


def test_every_key_has_an_explanation():
    """A new key needs one in the docstring of its section."""

    def unexplained(model, prefix=""):
        said = schema.explanations(model)
        for name, field in model.model_fields.items():
            if inner := schema.section_of(field.annotation):
                yield from unexplained(inner, f"{prefix}{name}.")
            elif not said.get(name):
                yield prefix + name

    assert list(unexplained(Recipe)) == []


def test_explanations_are_those_of_the_docstring():
    class Section(recipe.DistillationSection):
        """Of a test.

        alpha: one thing (a: b). views, temperature: two
        things; and more. Not a key: kept.
        """

    found = schema.explanations(Section)
    assert found["alpha"] == "one thing (a: b)"
    assert found["views"] == found["temperature"] == "two things; and more. Not a key: kept"


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
    assert found["properties"]["seed"]["description"].startswith("the RNG seed")
    assert found["additionalProperties"] is False
    size = models["StudentSection"]["properties"]["max_size"]["anyOf"]
    assert any(re.search(each.get("pattern", "$^"), "40KB") for each in size)
    image = models["DataSection"]["properties"]["image_size"]["anyOf"]
    assert any(re.search(each.get("pattern", "$^"), "96x128") for each in image)
    assert {"type": "null"} in found["properties"]["training"]["anyOf"]
