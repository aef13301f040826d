"""edgekit setup-device: the runtime on a Linux device."""

from __future__ import annotations

from typing import Annotated

import typer

Target = Annotated[str, typer.Argument(help="ssh://[user@]host[:port], or a name from targets.yaml.", metavar="TARGET")]
Force = Annotated[bool, typer.Option("--force", help="Install even if the device has a runtime.")]


def setup_device(target: Target, force: Force = False) -> None:
    """Install the runtime on a Linux device, in its own venv.

    The device needs no pip, no network and no root access.
    """
    from edgekit.bench import named
    from edgekit.cli.console import Console

    for endpoint in named.endpoints([target]):
        with Console() as reporter:
            installed = endpoint.target.set_up(endpoint, reporter, force=force)
        typer.echo(
            f"{endpoint.text}: {installed or 'already has a runtime; --force installs another one in its own venv'}"
        )
