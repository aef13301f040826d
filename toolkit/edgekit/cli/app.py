"""The program: its commands, and errors turned into one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer

from edgekit.cli.commands import Program
from edgekit.cli.help import WIDTH, examples
from edgekit.cli.interrupt import keyboard_interrupt_guard
from edgekit.errors import DiskFull, EdgekitError, Interrupted, UsageError

app = typer.Typer(
    name="edgekit",
    cls=Program,
    help="Curate, train, compress, export and measure small classifiers for edge devices, with evidence for each step.",
    epilog=examples(
        "edgekit build --curate iqr --quantize int8", "edgekit build --data photos/ --student auto --max-size 40KB"
    ),
    context_settings={"max_content_width": WIDTH},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"edgekit {version('edgekit')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and the output of native libraries.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show each external command before it runs.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""
    if debug:
        os.environ["EDGEKIT_DEBUG"] = "1"
    if verbose:
        os.environ["EDGEKIT_VERBOSE"] = "1"


def main() -> None:
    """Run the program; never returns."""
    try:
        with keyboard_interrupt_guard():
            status = app(standalone_mode=False) or 0
        sys.exit(status)
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("EDGEKIT_DEBUG") and not isinstance(error, _CTRL_C):
            raise
        sys.exit(_explain(error))


# typer raises its own Abort for it, and also at the end of input.
_CTRL_C = (KeyboardInterrupt, typer.Abort)


def _explain(error: BaseException) -> int:
    """Print the one line and return the exit code."""
    if isinstance(error, EdgekitError):
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    if isinstance(error, _CTRL_C):
        print("Interrupted. --resume continues a build or a study.", file=sys.stderr)
        return Interrupted.exit_code
    if show := getattr(error, "show", None):  # a usage error of the parser
        show()
        return int(getattr(error, "exit_code", UsageError.exit_code))
    if isinstance(error, BrokenPipeError):  # `edgekit list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        print(f"Error: {error}." + (" Free some space, then --resume." if full else ""), file=sys.stderr)
        return DiskFull.exit_code if full else EdgekitError.exit_code
    print(
        f"Internal error: {type(error).__name__}: {error}. `edgekit --debug ...` shows where; please report it.",
        file=sys.stderr,
    )
    return EdgekitError.exit_code
