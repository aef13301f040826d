"""edgekit setup-device: the runtime on a Linux device."""

from __future__ import annotations

from typing import Annotated

import typer

Target = Annotated[str, typer.Argument(help="ssh://[user@]host[:port], or a name of targets.yaml.", metavar="TARGET")]
Force = Annotated[bool, typer.Option("--force", help="Install even where a runtime is found.")]


def setup_device(target: Target, force: Force = False) -> None:
    """Install the runtime on a Linux device, in a venv of its own; it needs no pip, no network and no root rights there."""
    from edgekit.bench import named, setup
    from edgekit.cli.console import Console
    from edgekit.errors import UsageError

    for endpoint in named.endpoints([target]):
        if endpoint.address.kind != "ssh":
            raise UsageError(f"setup-device is for ssh targets; {endpoint.text} needs none (Android: bench --runner).")
        if endpoint.named and endpoint.named.python:
            raise UsageError(
                f"{endpoint.text} has `python: {endpoint.named.python}` in targets.yaml, which bench would go on using: install "
                "a runtime and numpy into that interpreter yourself, or drop `python` there and try again."
            )
        with Console() as reporter:
            transport = endpoint.connect()
            try:
                installed = setup.install(transport, reporter, force=force)
            finally:
                transport.close()
        typer.echo(f"{endpoint.text}: {installed or 'has a runtime already; --force installs one of its own'}")
