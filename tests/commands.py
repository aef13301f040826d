"""The command line in the process of the tests: what `python -m edgekit ...` prints and returns, without its start of seconds.

Signals, what is imported, and commands that run at the same time need processes of their own: `process` starts one.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


def edgekit(*arguments: object, env: Mapping[str, str] | None = None, cwd: str | Path | None = None) -> Done:
    """Run `edgekit` with `arguments` by the program's own entry, which turns errors into one line and an exit code."""
    from edgekit.cli.app import main

    streams = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["edgekit", *map(str, arguments)])
        # By it the parser tells its own name; this process may be `python -m pytest`.
        patch.setattr(sys.modules["__main__"], "__package__", None, raising=False)
        for name in ("EDGEKIT_DEBUG", "EDGEKIT_VERBOSE"):  # the options set them
            patch.setenv(name, "")
            patch.delenv(name)
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        if cwd is not None:
            patch.chdir(cwd)
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            try:
                main()
                status = 0
            except SystemExit as ended:
                status = ended.code
    return Done(returncode=int(status or 0), stdout=_written(streams[0]), stderr=_written(streams[1]))


def process(*arguments: object, timeout_s: float = 300, **options) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "edgekit", *map(str, arguments)]
    environment = os.environ | dict(options.pop("env", None) or {})
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, env=environment, **options)


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()
