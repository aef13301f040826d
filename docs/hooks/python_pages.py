"""The reference of `import edgekit`, from the signatures and docstrings of its public names."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterator
from typing import Any

import wording as md

import edgekit
from edgekit.errors import EdgekitError
from edgekit.recipe import fields as recipe_fields

_PYTHON = """\
# Python API

Every public name of `edgekit`, with the signature and the docstring that it has in the source. Examples that run:
[edgekit from Python](../python.md). What begins with an underscore, and modules that this page does not name, may change.

"""


def python() -> str:
    """The page of the public API: functions first, then values and errors."""
    names = sorted(edgekit.__all__)
    functions = [name for name in names if inspect.isfunction(getattr(edgekit, name))]
    errors = [name for name in names if _is_error(getattr(edgekit, name))]
    values = [name for name in names if name not in {*functions, *errors}]
    parts = [_PYTHON]
    for title, some in (("Functions", functions), ("Values", values), ("Errors", errors)):
        parts.append(f"## {title}\n")
        for name in some:
            parts += _entry(name, getattr(edgekit, name))
    return "\n".join(parts)


def _is_error(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, EdgekitError)


def _entry(name: str, value: Any) -> Iterator[str]:
    yield f"### {name}\n"
    fields = _fields(value)
    text = inspect.getdoc(value) or ""
    if not fields:
        yield f"```python\n{_signature(name, value)}\n```\n"
        yield md.docstring(text)
        return
    if hasattr(value, "model_fields"):
        said = recipe_fields.descriptions(value)
        yield md.docstring(text)
    else:
        before, said = md.entries(text, fields)
        yield md.docstring(before)
    rows = [[md.code(key), md.code(kind), md.cell(said.get(key, ""))] for key, kind in fields.items()]
    yield md.table(["field", "type", "what it is"], rows)


def _fields(value: Any) -> dict[str, str]:
    """Field -> type of a value; a recipe's are its sections. Empty for functions and errors."""
    if hasattr(value, "model_fields"):
        return {key: _named(field.annotation) for key, field in value.model_fields.items()}
    if dataclasses.is_dataclass(value):
        return {field.name: _named(field.type) for field in dataclasses.fields(value)}
    return {}


def _named(annotation: Any) -> str:
    """A type as the source writes it."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__name__
    return str(annotation)


def _signature(name: str, value: Any) -> str:
    """As it is written in the source."""
    if _is_error(value):
        return f"{name}  # exit code {value.exit_code}"
    signature = inspect.signature(value)
    fields = [_parameter(each) for each in signature.parameters.values()]
    kinds = [each.kind for each in signature.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        fields.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    returns = signature.return_annotation
    return _call(name, fields) + (f" -> {returns}" if returns is not signature.empty else "")


def _parameter(parameter: inspect.Parameter) -> str:
    """Annotations are text here (PEP 563), which `str(parameter)` would put into quotes."""
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    annotation = "" if parameter.annotation is parameter.empty else f": {parameter.annotation}"
    return f"{stars}{parameter.name}{annotation}{default}"


def _call(name: str, fields: list[str]) -> str:
    short = f"{name}({', '.join(fields)})"
    return short if len(short) <= 90 else f"{name}(\n" + "".join(f"    {field},\n" for field in fields) + ")"
