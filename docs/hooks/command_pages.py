"""The reference of the commands, from the program that parses them, and of the exit codes, from the errors that have them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer
import wording as md

from edgekit import errors
from edgekit.cli.app import app
from edgekit.cli.help import panels

_COMMANDS = """\
# Commands

Made from the program itself when this page was built; `edgekit COMMAND --help` says the same. In brackets: defaults and limits.
Results go to standard output, progress and errors to standard error. What the exit codes mean: [Exit codes](exit-codes.md).

"""
_EXIT_CODES = """\
# Exit codes

Every error that a user can meet is one class of `edgekit.errors`, and each has the exit code that a command ends with. `0` is
success. In Python they are all `edgekit.EdgekitError`, with the code as `exit_code`.

"""


def commands() -> str:
    """The page of all commands and options."""
    return _COMMANDS + "\n".join(_sections(typer.main.get_command(app), "edgekit", None))


def exit_codes() -> str:
    """The page of all errors."""
    known = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, errors.EdgekitError)]
    known.sort(key=lambda each: (each.exit_code, len(each.__mro__), each.__name__))
    rows = [[str(each.exit_code), f"`{each.__name__}`", md.cell(inspect.getdoc(each) or "")] for each in known]
    return _EXIT_CODES + md.table(["code", "error", "when"], rows)


def _sections(command: Any, name: str, parent: Any) -> Iterator[str]:
    """A command, and after it those below it."""
    context = command.make_context(name.split()[-1], [], parent=parent, resilient_parsing=True)
    yield f"## {name}\n"
    yield md.plain(command.help or "").strip() + "\n"
    yield f"```text\n{' '.join(command.get_usage(context).split()).removeprefix('Usage: ')}\n```\n"
    for title, rows in panels(command, context).items():
        kind = "argument" if title == "Arguments" else "option"
        yield md.table([kind if title in ("Arguments", "Options") else title, "what it does"],
                       [[md.code(name), md.cell(said)] for name, said in rows])  # fmt: skip
    if command.epilog:
        yield f"```text\n{command.epilog}\n```\n"
    for below, each in getattr(command, "commands", {}).items():
        yield from _sections(each, f"{name} {below}", context)
