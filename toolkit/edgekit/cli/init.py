"""edgekit init: a recipe file with every key, its default and what it is for, generated from the models that read it."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli.schema import document, explanations, section_of, summary
from edgekit.errors import OutputInUse, UsageError

if TYPE_CHECKING:
    from edgekit.sections import Section

Where = Annotated[Path, typer.Argument(help="The file to write, or a folder for recipe.yaml.", metavar="[PATH]")]
WithSchema = Annotated[
    bool, typer.Option("--schema", help="Also write the JSON schema beside it, and name it for editors.")
]
Replace = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]
_WIDTH = 110
_HEAD = """\
A recipe of edgekit: everything that decides a build. `edgekit build --recipe {name}` reads it.
Every key is here with its default, commented out: uncomment what you change, and the rest follows edgekit.
In brackets: what a key may be. Options of the command line override what this file says."""


def init(path: Where = Path("recipe.yaml"), with_schema: WithSchema = False, force: Replace = False) -> None:
    """Write a recipe file with every key, its default and what it is for."""
    path = path / "recipe.yaml" if path.is_dir() else path
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(f"{path} is neither a folder nor a .yaml file.")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no folder; make it first.")
    beside = path.with_suffix(".schema.json")
    written = {path: text(path.name, beside.name if with_schema else None)}
    if with_schema:
        written[beside] = json.dumps(document(), indent=2) + "\n"
    if there := [str(file) for file in written if file.exists() and not force]:
        raise OutputInUse(f"{' and '.join(there)} exists already; --force replaces it.")
    from edgekit.store import write_atomic

    for file, content in written.items():
        write_atomic(file, content)
    typer.echo(f"{' and '.join(map(str, written))} written. Change what you need, then: edgekit build --recipe {path}")


def text(name: str, schema: str | None) -> str:
    """The recipe file; it loads as the default recipe, and with every key uncommented as well.

    Args:
        name: of the file. schema: the name of the schema's file beside it, None = it has none.
    """
    from edgekit.recipe import Recipe

    found = document()
    # Where an editor looks for it: in a comment at the top.
    lines = [f"# yaml-language-server: $schema={schema}"] if schema else []
    lines += [f"# {line}" for line in _HEAD.format(name=name).splitlines()]
    lines += _keys(Recipe, found, found["$defs"], "")
    return "\n".join(lines) + "\n"


def _keys(model: type[Section], told: Mapping[str, Any], models: Mapping[str, Any], indent: str) -> Iterator[str]:
    """The lines of a section: for each key what it is for, then the key with its default."""
    said = explanations(model)
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        if not indent or section:
            yield ""
        if section:
            yield from _comment(summary(section), indent)
            yield f"{indent}{name}:"
            yield from _keys(section, models[section.__name__], models, indent + "  ")
            continue
        shown = told["properties"][name]
        yield from _comment(_told(said[name], shown), indent)
        if inner := next((models[ref] for ref in _references(shown) if ref in models), None):
            for key, value in inner["properties"].items():
                yield from _comment(f"  {key}: {_told(value['description'], value)}", indent)
        yield f"{indent}#{name}: {_yaml(field.get_default(call_default_factory=True))}"


def _told(said: str, shown: Mapping[str, Any]) -> str:
    """An explanation as a user of YAML reads it, and what the key may be."""
    allowed = _allowed(shown)
    return re.sub(r"\bNone\b", "null", said) + (f" [{allowed}]" if allowed else "")


def _comment(sentence: str, indent: str) -> list[str]:
    start = " " * (len(sentence) - len(sentence.lstrip()))
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


def _references(shown: Mapping[str, Any]) -> list[str]:
    return [str(each["$ref"]).rpartition("/")[2] for each in shown.get("anyOf", ()) if "$ref" in each]


def _allowed(shown: Mapping[str, Any]) -> str:
    """What a key may be, from its schema: names, or the range of a number; "" where anything goes that its type allows."""
    own = next((each for each in shown.get("anyOf", ()) if each.get("type") != "null"), shown)
    if own.get("type") == "array" and "items" in own:
        own = own["items"]
    if "enum" in own:
        return "one of " + ", ".join(map(str, own["enum"]))
    if own.get("type") == "boolean":
        return "true or false"
    low, high = own.get("minimum"), own.get("maximum")
    above, below = own.get("exclusiveMinimum"), own.get("exclusiveMaximum")
    told = [f"{_plain(low)} or more" if low is not None else "", f"above {_plain(above)}" if above is not None else ""]
    told += [
        f"at most {_plain(high)}" if high is not None else "",
        f"below {_plain(below)}" if below is not None else "",
    ]
    return ", ".join(filter(None, told))


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"
