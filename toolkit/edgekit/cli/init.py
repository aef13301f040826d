"""edgekit init: a recipe file with every key, its default and its description, generated from the models that read it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli.schema import allowed, document
from edgekit.errors import OutputInUse, UsageError

if TYPE_CHECKING:
    from edgekit.recipe import Section

Where = Annotated[Path, typer.Argument(help="File to write, or a folder for recipe.yaml.", metavar="PATH")]
WithSchema = Annotated[
    bool, typer.Option("--schema", help="Also write the JSON schema beside it, and refer to it for editors.")
]
Replace = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
_WIDTH = 110
_HEAD = """\
A recipe for edgekit: everything that determines a build. `edgekit build --recipe {name}` reads it.
Every key is here with its default, commented out. Uncomment what you change; the rest keeps edgekit's defaults.
In brackets: the values a key may have. Command line options override this file."""


def init(path: Where = Path("recipe.yaml"), with_schema: WithSchema = False, force: Replace = False) -> None:
    """Write a recipe file with every key, its default and its description."""
    path = path / "recipe.yaml" if path.is_dir() else path
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(f"{path} is neither a folder nor a .yaml file.")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is not a folder; create it first.")
    beside = path.with_suffix(".schema.json")
    written = {path: text(path.name, beside.name if with_schema else None)}
    if with_schema:
        written[beside] = json.dumps(document(), indent=2) + "\n"
    if there := [str(file) for file in written if file.exists() and not force]:
        raise OutputInUse(f"{' and '.join(there)} already exists; --force replaces it.")
    from edgekit.runs.files import write_atomic

    for file, content in written.items():
        write_atomic(file, content)
    typer.echo(f"{' and '.join(map(str, written))} written. Change what you need, then: edgekit build --recipe {path}")


def text(name: str, schema: str | None) -> str:
    """The recipe file; it loads as the default recipe, and with every key uncommented as well.

    Args:
        name: of the file. schema: the name of the schema's file beside it, None = it has none.
    """
    from edgekit.recipe import Recipe

    schema_of_recipe = document()
    # Where an editor looks for it: in a comment at the top.
    lines = [f"# yaml-language-server: $schema={schema}"] if schema else []
    lines += [f"# {line}" for line in _HEAD.format(name=name).splitlines()]
    lines += _keys(Recipe, schema_of_recipe, schema_of_recipe["$defs"], "")
    return "\n".join(lines) + "\n"


def _keys(
    model: type[Section], section_schema: Mapping[str, Any], models: Mapping[str, Any], indent: str
) -> Iterator[str]:
    """The lines of a section: for each key its description, then the key with its default."""
    from edgekit.recipe import fields

    for name, field in model.model_fields.items():
        section = fields.section_in(field.annotation)
        if not indent or section:
            yield ""
        if section:
            yield from _comment(fields.summary(section), indent)
            yield f"{indent}{name}:"
            yield from _keys(section, models[section.__name__], models, indent + "  ")
            continue
        shown = section_schema["properties"][name]
        yield from _comment(_with_limits(shown), indent)
        if inner := next((models[ref] for ref in _references(shown) if ref in models), None):
            for key, value in inner["properties"].items():
                yield from _comment(f"  {key}: {_with_limits(value)}", indent)
        yield f"{indent}#{name}: {_yaml(field.get_default(call_default_factory=True))}"


def _with_limits(schema: Mapping[str, Any]) -> str:
    """A key's description, with its allowed values in brackets."""
    limits = allowed(schema)
    return str(schema["description"]) + (f" [{limits}]" if limits else "")


def _comment(sentence: str, indent: str) -> list[str]:
    start = " " * (len(sentence) - len(sentence.lstrip()))
    sentence = sentence.lstrip()
    return [
        f"{indent}# {line}"
        for line in textwrap.wrap(
            sentence, _WIDTH - len(indent), initial_indent=start, subsequent_indent=start, break_long_words=False,
            break_on_hyphens=False,
        )
    ]  # fmt: skip


def _yaml(value: Any) -> str:
    import yaml

    plain = json.loads(json.dumps(value))
    return str(yaml.safe_dump(plain, default_flow_style=True, width=10_000)).removesuffix("\n").removesuffix("\n...")


def _references(schema: Mapping[str, Any]) -> list[str]:
    return [str(each["$ref"]).rpartition("/")[2] for each in schema.get("anyOf", ()) if "$ref" in each]
