"""The signature of a command: its options come from the keys of a recipe, with their types, choices, defaults and help."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer

from edgekit.cli import completion
from edgekit.cli.options import Option, of

if TYPE_CHECKING:
    from edgekit.recipe import Section
    from edgekit.recipe.fields import Key

Command = Callable[..., Any]
# More choices than this are listed in the help, not in the metavar.
_FEW = 4


def taking(*keys: str) -> Callable[[Command], Command]:
    """Give a command the options of some keys of a recipe; it gets their values, by key, in its parameter `values`.

    A key whose option was not given is None there. A parameter that is a dataclass becomes the options of its fields.
    """
    from edgekit.recipe import Recipe

    return taking_of(Recipe, of(*keys))


def taking_of(model: type[Section], options: Iterable[Option]) -> Callable[[Command], Command]:
    """`taking` for the keys of another model."""
    from edgekit.recipe import fields

    parameters = [(option, _parameter(option, fields.key(model, option.key))) for option in options]

    def decorate(function: Command) -> Command:
        own = [each for each in inspect.signature(function, eval_str=True).parameters.values() if each.name != "values"]
        groups: dict[str, Any] = {
            each.name: each.annotation for each in own if dataclasses.is_dataclass(each.annotation)
        }
        plain = [each for each in own if each.name not in groups]
        expanded = [each for group in groups.values() for each in _of_dataclass(group)]
        signature = inspect.Signature([*plain, *expanded, *(parameter for _, parameter in parameters)])

        def command(*arguments: Any, **named: Any) -> Any:
            bound = signature.bind(*arguments, **named)
            bound.apply_defaults()
            given = bound.arguments
            values = {option.key: _value(option, given.pop(option.name)) for option, _ in parameters}
            for name, group in groups.items():
                given[name] = group(**{each.name: given.pop(each.name) for each in _of_dataclass(group)})
            return function(values=values, **given)

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__module__ = function.__module__
        command.__signature__ = signature  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()}
        return command

    return decorate


def settings(values: Mapping[str, Any], section: str) -> dict[str, Any]:
    """The values that were given for keys of a section, by their names in it."""
    start = f"{section}."
    return {key[len(start) :]: value for key, value in values.items() if value is not None and key.startswith(start)}


def _of_dataclass(group: Any) -> Iterator[inspect.Parameter]:
    types = get_type_hints(group, include_extras=True)
    for each in dataclasses.fields(group):
        yield inspect.Parameter(
            each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=types[each.name]
        )


def _parameter(option: Option, key: Key) -> inspect.Parameter:
    from edgekit.recipe import fields

    kind, default = _kind(option, key)
    choices, names = fields.choices(key.field), fields.table(key.field)
    complete = option.complete or (completion.names(names.table, *names.also) if names else None)
    metavar = option.metavar or ("|".join(choices) if len(choices) <= _FEW else "")
    option_info = typer.Option(
        option.flag,
        metavar=metavar or None,
        help=_help(option, key, () if metavar and not option.metavar else choices),
        autocompletion=complete,
        rich_help_panel=option.panel,
    )
    return inspect.Parameter(
        option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option_info]
    )


def _kind(option: Option, key: Key) -> tuple[Any, Any]:
    """The type of an option, and its default, which means that nothing was given."""
    if option.repeated:
        return list[str] | None, None
    types = {key.field.annotation, *get_args(key.field.annotation)}
    if option.given is not True or (bool in types and not option.parse):
        return bool, False
    for number in () if option.parse else (int, float):
        if number in types or any(number in get_args(each) for each in types):
            return number | None, None
    return str | None, None


def _help(option: Option, key: Key, choices: tuple[str, ...]) -> str:
    """The key's description, with its choices and default in brackets."""
    default = key.field.get_default(call_default_factory=True)
    limits = [f"one of {', '.join(choices)}" if choices else "", "repeatable" if option.repeated else ""]
    if default not in (None, "", (), False) and option.given is True:
        text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
        limits.append(f"default: {text}")
    brackets = "; ".join(filter(None, limits))
    return key.description + (f" [{brackets}]" if brackets else "")


def _value(option: Option, given: Any) -> Any:
    """What the recipe gets; None = the option was not given."""
    if given is None or given is False or given == []:
        return None
    if given is True:
        return option.given
    return option.parse(given) if option.parse else given
