"""The reference of recipes and study files, from the models that read them: every key, its type, its default, its description."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import wording as md
from pydantic import BaseModel

from edgekit.cli.options import TABLE
from edgekit.cli.schema import allowed, document
from edgekit.recipe import Recipe, Section, fields
from edgekit.study.definition import Study

_RECIPE = """\
# Recipe

Everything that decides a build, as YAML: `edgekit build --recipe recipe.yaml`. This page is made from the models that read a
recipe. `edgekit init` writes a file with every key commented out, `edgekit schema` the JSON schema that editors complete and
check by, and `edgekit build --dry-run` the complete recipe of a build. Unknown keys are refused, with the closest known one.
On the command line a key is `--set section.key=value`; where it has an option of its own, that stands in brackets (those of
`bench` are options of `edgekit bench`).

"""
_STUDY = """\
# Study file

What `edgekit study FILE.yaml` reads; the guide is [Studies](../studies.md). `base` and `arms` hold what a [recipe](recipe.md) may
hold. This page is made from the model that reads the file.

"""


def recipe() -> str:
    """The page of the recipe."""
    found = document()
    models = found["$defs"]
    parts = [_RECIPE, "## The file\n", _table(Recipe, found["properties"], "")]
    for name, field in Recipe.model_fields.items():
        section = fields.section_in(field.annotation)
        if section:
            parts += _section(name, section, models)
    noise = models["NoiseSection"]
    parts += ["## data.noise\n", md.plain(noise["description"]) + "\n", _rows(noise)]
    return "\n".join(parts)


def study() -> str:
    """The page of the study file."""
    found = Study.model_json_schema()
    said = fields.descriptions(Study)
    rows = [
        [md.code(name), _type(shown), _default(Study, name), md.cell(said.get(name, ""))]
        for name, shown in found["properties"].items()
    ]
    return _STUDY + md.table(["key", "type", "default", "what it is"], rows)


def _section(name: str, section: type[Section], models: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name}\n"
    yield md.plain(fields.summary(section)) + "\n"
    yield _table(section, models[section.__name__]["properties"], f"{name}.")
    for below, field in section.model_fields.items():
        inner = fields.section_in(field.annotation)
        if inner:
            yield from _section(f"{name}.{below}", inner, models)


def _table(model: type[BaseModel], properties: Mapping[str, Any], prefix: str) -> str:
    flags = {option.key: f"`{option.flag}`" for option in TABLE}
    rows = []
    for name, shown in properties.items():
        if fields.section_in(model.model_fields[name].annotation):
            rows.append([md.code(name), "section", "", md.cell(shown.get("description", "")) or "see below"])
        else:
            rows.append(
                [
                    md.code(name),
                    _type(shown),
                    _default(model, name),
                    md.cell(shown.get("description", "")) + _limits(shown, flags.get(prefix + name, "")),
                ]
            )
    return md.table(["key", "type", "default", "what it is"], rows)


def _rows(model: Mapping[str, Any]) -> str:
    rows = [
        [md.code(name), _type(shown), md.code(json.dumps(shown["default"])) if "default" in shown else "must be given",
         md.cell(shown.get("description", "")) + _limits(shown)]
        for name, shown in model["properties"].items()
    ]  # fmt: skip
    return md.table(["key", "type", "default", "what it is"], rows)


def _limits(shown: Mapping[str, Any], flag: str = "") -> str:
    """In brackets: the option of the key, and what it may be."""
    limits = allowed(shown).removeprefix("true or false")
    told = "; ".join(filter(None, (flag, md.cell(limits))))
    return f" ({told})" if told else ""


def _default(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if field.is_required():
        return "must be given"
    return md.code(json.dumps(field.get_default(call_default_factory=True)))


def _type(shown: Mapping[str, Any]) -> str:
    if "anyOf" in shown:
        return " or ".join(dict.fromkeys(_type(each) for each in shown["anyOf"]))
    if "$ref" in shown:
        return "section"
    if "enum" in shown or "const" in shown:
        return "name" if isinstance(next(iter(shown.get("enum", [shown.get("const")]))), str) else "number"
    kind = str(shown.get("type", "any"))
    names = {"array": "list", "object": "mapping", "string": "text", "boolean": "true or false", "null": "null"}
    return names.get(kind, kind)
