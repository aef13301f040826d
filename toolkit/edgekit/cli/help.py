"""How --help looks: options in panels, commands by task with whole sentences, and two examples at the end; plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from edgekit.cli.options import PANELS, RUN

WIDTH = 100
_FIRST_COLUMN = 28


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\n".join(lines)


class Command(TyperCommand):
    """A command with its options in panels."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = (usage(param) for param in self.get_params(ctx) if param.param_type_name == "argument")
        return ["[OPTIONS]", *arguments]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _write_examples(self, formatter)


class Group(TyperGroup):
    """A command with subcommands."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        write_rows(formatter, "Commands", [(name, summary(command)) for name, command in commands if command])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _write_examples(self, formatter)


def usage(argument: Any) -> str:
    """An argument as the usage line shows it: RUN, FILE... or [NAME]..."""
    name = argument.metavar or str(argument.name).upper()
    more = "..." if argument.nargs == -1 and " " not in name else ""
    return f"{name}{more}" if argument.required else f"[{name}]{more}"


def summary(command: Any) -> str:
    """The first paragraph of a command's help, on one line."""
    return " ".join((command.help or "").split("\n\n")[0].split())


def write_rows(formatter: Any, title: str, rows: Sequence[tuple[str, str]], width: int = 0) -> None:
    """A section of two columns; `width`: the least width of the first."""
    if rows:
        with formatter.section(title):
            formatter.write_dl([(name.ljust(width), text) for name, text in rows], col_max=width or _FIRST_COLUMN)


def panels(command: Any, ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """Title -> (option, help) of each panel that a command has, in the order of PANELS; others come before the last one."""
    params = command.get_params(ctx)
    titles = {id(param): getattr(param, "rich_help_panel", None) or RUN for param in params}
    if set(titles.values()) == {RUN}:
        titles = dict.fromkeys(titles, "Options")
    own = [title for title in dict.fromkeys(titles.values()) if title not in PANELS]
    rows_of: dict[str, list[tuple[str, str]]] = {title: [] for title in ("Arguments", *PANELS[:-1], *own, RUN)}
    for param in params:
        record = param.get_help_record(ctx)
        if record and param.param_type_name == "argument":
            rows_of["Arguments"].append((usage(param), record[1].removesuffix("  [required]")))
        elif record:
            rows_of[titles[id(param)]].append(record)
    return {title: rows for title, rows in rows_of.items() if rows}


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    rows_of = panels(command, ctx)
    width = _common(name for rows in rows_of.values() for name, _ in rows)
    for title, rows in rows_of.items():
        write_rows(formatter, title, rows, width)


def _common(names: Iterable[str]) -> int:
    return max((len(name) for name in names if len(name) <= _FIRST_COLUMN), default=0)


def _write_examples(command: Any, formatter: Any) -> None:
    if command.epilog:
        formatter.write("\nExamples:\n")
        for line in command.epilog.splitlines():
            formatter.write(f"  {line}\n")
