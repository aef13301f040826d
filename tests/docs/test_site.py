"""The site is built as `make docs` builds it: a broken link or anchor is an error, and the reference is that of the program."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest
import typer
from tests.conftest import REPOSITORY

import edgekit
from edgekit import errors
from edgekit.cli.app import app
from edgekit.recipe import Recipe


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    if importlib.util.find_spec("material") is None:
        (pytest.fail if os.environ.get("EDGEKIT_CI") else pytest.skip)(
            "mkdocs-material is not installed (the extra `docs`)"
        )
    folder = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_every_page_of_docs_is_in_the_navigation(site):
    index = (site / "index.html").read_text()
    pages = [path.relative_to(REPOSITORY / "docs") for path in (REPOSITORY / "docs").rglob("*.md")]
    missing = [str(page) for page in pages if f'href="{page.with_suffix(".html").as_posix()}"' not in index]
    assert not [page for page in missing if page != "index.md"]
    assert not list(site.rglob("*.py"))


def test_the_reference_has_every_command_and_option(site):
    page = (site / "reference/commands.html").read_text()

    def walk(command, name):
        assert f">{name}<" in page, name
        for param in command.params:
            for option in (*param.opts, *param.secondary_opts):
                assert not option.startswith("--") or option in page, f"{name} {option}"
        for below, each in getattr(command, "commands", {}).items():
            walk(each, f"{name} {below}")

    walk(typer.main.get_command(app), "edgekit")


def test_the_reference_has_every_key_name_and_error(site):
    recipe = (site / "reference/recipe.html").read_text()
    for name, field in Recipe.model_fields.items():
        assert f"<code>{name}</code>" in recipe
        for key in getattr(field.annotation, "model_fields", ()):
            assert f"<code>{key}</code>" in recipe, f"{name}.{key}"
    assert "<td></td>\n</tr>" not in recipe, "a key without an explanation"
    python = (site / "reference/python.html").read_text()
    assert not [name for name in edgekit.__all__ if f'id="{name.lower()}"' not in python]
    codes = (site / "reference/exit-codes.html").read_text()
    known = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.EdgekitError)]
    assert not [each for each in known if f"<code>{each.__name__}</code>" not in codes]


def test_nothing_is_loaded_from_the_network(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|iframe)[^>]* src=\"?([^\"\s>]+)", page.read_text())
        loaded += re.findall(
            r"<link[^>]* rel=\"?(?:stylesheet|icon|preconnect)\"?[^>]* href=\"?([^\"\s>]+)", page.read_text()
        )
        assert not [url for url in loaded if re.match(r"(https?:)?//", url)], page.name
