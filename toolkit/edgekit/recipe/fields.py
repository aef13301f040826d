"""What each key of a recipe, or of a study file, is: its field, its description, its section, and the names it may have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic.fields import FieldInfo

from edgekit.recipe.base import Names, Section


class Key(NamedTuple):
    """A key. dotted: such as "curation.max_edit"; description: its docstring, which help, docs and editors show."""

    dotted: str
    field: FieldInfo
    description: str


def key(model: type[Section], dotted: str) -> Key:
    """The key `dotted` of `model`; KeyError if there is none."""
    first, dot, rest = dotted.partition(".")
    field = model.model_fields[first]
    if dot:
        section = section_in(field.annotation)
        if section is None:
            raise KeyError(dotted)
        return key(section, rest)._replace(dotted=dotted)
    return Key(dotted, field, descriptions(model)[first])


def keys(model: type[Section], prefix: str = "") -> Iterator[Key]:
    """All keys of `model` and of its sections; a section itself is none."""
    texts = descriptions(model)
    for name, field in model.model_fields.items():
        section = section_in(field.annotation)
        if section is not None:
            yield from keys(section, f"{prefix}{name}.")
        else:
            yield Key(prefix + name, field, texts[name])


def section_in(annotation: Any) -> type[Section] | None:
    """The section that a field always holds, None for any other field."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def summary(model: type[Section]) -> str:
    """What a section is for, on one line."""
    return " ".join((model.__doc__ or "").split())


def descriptions(model: type[Section]) -> dict[str, str]:
    """Name of a field -> its docstring on one line; one that a section declares anew keeps that of the section it extends.

    A section in a section has what it is for.
    """
    sections = {name: section_in(field.annotation) for name, field in model.model_fields.items()}
    texts = {name: summary(section) if section else "" for name, section in sections.items()}
    for each in reversed(model.__mro__):
        if issubclass(each, Section):
            own = {name: field.description for name, field in each.model_fields.items() if name in texts}
            texts |= {name: " ".join(text.split()) for name, text in own.items() if text}
    return texts


def choices(field: FieldInfo) -> tuple[str, ...]:
    """The names that a field may hold, of the registry or written out in its type; () if it is something else."""
    for marked in field.metadata:
        if isinstance(marked, Names):
            return marked.known
    literal = field.annotation
    return tuple(map(str, get_args(literal))) if get_origin(literal) is Literal else ()


def table(field: FieldInfo) -> Names | None:
    """The table of the registry that a field takes its names from, if it does."""
    return next((marked for marked in field.metadata if isinstance(marked, Names)), None)
