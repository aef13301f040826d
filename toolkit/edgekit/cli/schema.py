"""edgekit schema: the JSON schema of a recipe, for editors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from edgekit.recipe import Section

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# What the models accept besides the types of their fields.
_ALSO: Mapping[tuple[str, str], list[dict[str, Any]]] = {
    ("DataSection", "image_size"): [
        {"type": "integer", "minimum": 1, "maximum": 4096},
        {"type": "string", "pattern": r"^\s*\d+\s*([xX]\s*\d+\s*)?$"},
    ],
    ("CurationSection", "max_edit"): [{"type": "string", "pattern": r"^[0-9.]+%$"}],
    ("StudentSection", "max_size"): [{"type": "string", "pattern": r"^\s*[0-9.]+\s*([kKmM]?[bB])?\s*$"}],
    ("TrainingSection", "xla"): [{"type": "boolean"}],
    ("TeacherSection", "xla"): [{"type": "boolean"}],
    ("PruningSection", "pattern"): [{"const": 124}],
}


def schema() -> None:
    """Print the JSON schema of a recipe."""
    typer.echo(json.dumps(document(), indent=2))


def document() -> dict[str, Any]:
    """The schema of a recipe file: every key with its description, its default, and the names of the registry."""
    from edgekit.recipe import Recipe, fields

    schema = Recipe.model_json_schema()
    classes = _sections(Recipe)
    for title, model in {"Recipe": schema, **schema["$defs"]}.items():
        descriptions = fields.descriptions(classes[title])
        model["description"] = fields.summary(classes[title])
        for name, shown in model["properties"].items():
            _complete(shown, classes[title].model_fields[name], descriptions[name])
            _widen(shown, _ALSO.get((title, name), ()))
            if "$ref" in shown:  # an empty section has the defaults
                _widen(shown, [{"type": "null"}])
    return {"$schema": DIALECT, "title": "A recipe of edgekit"} | {k: v for k, v in schema.items() if k != "title"}


def _complete(schema: dict[str, Any], field: FieldInfo, description: str) -> None:
    """Add a field's description, and the names of its table of the registry, if it has one."""
    from edgekit.recipe import fields

    if description:
        schema["description"] = description
    if names := fields.table(field):
        (schema["items"] if schema.get("type") == "array" else schema)["enum"] = list(names.known)


def _sections(model: type[Section]) -> dict[str, type[Section]]:
    """The models of a recipe by the name of their class."""
    from edgekit.recipe import NoiseSection, fields

    models: dict[str, type[Section]] = {model.__name__: model, NoiseSection.__name__: NoiseSection}
    for field in model.model_fields.values():
        if section := fields.section_in(field.annotation):
            models |= _sections(section)
    return models


def _widen(schema: dict[str, Any], also: Iterable[dict[str, Any]]) -> None:
    if not also:
        return
    kept = {key: schema.pop(key) for key in ("default", "description", "title") if key in schema}
    own = schema.pop("anyOf", None) or [dict(schema)]
    schema.clear()
    schema.update(anyOf=[*own, *also], **kept)


def allowed(schema: Mapping[str, Any]) -> str:
    """What a key may be, from its schema: names, or the range of a number; "" if anything of its type is allowed."""
    own = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), schema)
    if own.get("type") == "array" and "items" in own:
        own = own["items"]
    if "enum" in own:
        return "one of " + ", ".join(map(str, own["enum"]))
    if own.get("type") == "boolean":
        return "true or false"
    bounds = {
        "minimum": "{} or more",
        "exclusiveMinimum": "above {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "below {}",
    }
    return ", ".join(text.format(_plain(own[name])) for name, text in bounds.items() if own.get(name) is not None)


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"
