"""edgekit schema: the JSON schema of a recipe, for editors; and what its models say of each key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import typer

from edgekit import registry

if TYPE_CHECKING:
    from edgekit.sections import Section

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Names of tables, which the models check against the registry.
_NAMES = {
    ("Recipe", "backend"): registry.BACKENDS,
    ("TeacherSection", "name"): registry.TEACHERS,
    ("CurationSection", "method"): registry.CURATIONS,
    ("StudentSection", "name"): ("auto", *registry.STUDENTS),
    ("QuantizationSection", "precision"): registry.PRECISIONS,
}
_MEMBERS = ("CurationSection", "members")
# What the models take besides the types of their fields.
_ALSO: Mapping[tuple[str, str], list[dict[str, Any]]] = {
    ("DataSection", "image_size"): [
        {"type": "integer", "minimum": 1, "maximum": 4096},
        {"type": "string", "pattern": r"^\s*\d+\s*([xX]\s*\d+\s*)?$"},
    ],
    ("StudentSection", "max_size"): [{"type": "string", "pattern": r"^\s*[0-9.]+\s*([kKmM]?[bB])?\s*$"}],
    ("TrainingSection", "xla"): [{"type": "boolean"}],
    ("TeacherSection", "xla"): [{"type": "boolean"}],
    ("PruningSection", "pattern"): [{"const": 124}],
}


def schema() -> None:
    """Print the JSON schema of a recipe, for editors that complete and check YAML by one."""
    typer.echo(json.dumps(document(), indent=2))


def document() -> dict[str, Any]:
    """The schema of a recipe file: every key with its explanation, its default, and the names of the registry."""
    from edgekit.recipe import Recipe

    found = Recipe.model_json_schema()
    models = {"Recipe": found, **found["$defs"]}
    classes = _sections(Recipe)
    for title, model in models.items():
        said = explanations(classes[title])
        model["description"] = summary(classes[title])
        for name, field in model["properties"].items():
            where = (title, name)
            if name in said:
                field["description"] = said[name]
            if where in _NAMES:
                field["enum"] = list(_NAMES[where])
            if where == _MEMBERS:
                field["items"]["enum"] = [key for key, entry in registry.CURATIONS.items() if entry.member]
            if where in _ALSO:
                _widen(field, _ALSO[where])
            if "$ref" in field:  # an empty section is one of defaults
                _widen(field, [{"type": "null"}])
    return {"$schema": DIALECT, "title": "A recipe of edgekit"} | {k: v for k, v in found.items() if k != "title"}


def _sections(model: type[Section]) -> dict[str, type[Section]]:
    """The models of a recipe by the name of their class."""
    from edgekit.sections import NoiseSection

    found: dict[str, type[Section]] = {model.__name__: model, NoiseSection.__name__: NoiseSection}
    for field in model.model_fields.values():
        if section := section_of(field.annotation):
            found |= _sections(section)
    return found


def section_of(annotation: Any) -> type[Section] | None:
    """The section that a field always holds, None for any other field."""
    from edgekit.sections import Section

    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def _widen(field: dict[str, Any], also: Iterable[dict[str, Any]]) -> None:
    kept = {key: field.pop(key) for key in ("default", "description", "title") if key in field}
    own = field.pop("anyOf", None) or [dict(field)]
    field.clear()
    field.update(anyOf=[*own, *also], **kept)


def summary(model: type[Section]) -> str:
    """The first paragraph of a section's docstring, on one line."""
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())


def explanations(model: type[Section]) -> dict[str, str]:
    """key -> what the docstrings of a section and of those it extends say of it, on one line: "key: ..." or "one, other: ..."."""
    from edgekit.sections import Section

    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if each.__doc__ and issubclass(each, Section):
            found |= _explained(each.__doc__, model.model_fields)
    return found


def _explained(text: str, names: Iterable[str]) -> dict[str, str]:
    text = " ".join(text.split())
    name = "|".join(names)
    heads = list(re.finditer(rf"(?:^|(?<=[.;] ))((?:{name})(?:(?:, | and )(?:{name}))*): ", text))
    found: dict[str, str] = {}
    for number, head in enumerate(heads):
        end = heads[number + 1].start() if number + 1 < len(heads) else len(text)
        said = text[head.end() : end].strip().rstrip(".;")
        found |= dict.fromkeys(re.split(", | and ", head[1]), said)
    return found
