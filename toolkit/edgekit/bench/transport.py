"""The narrow interface to a target: run a script there, send files, fetch files. Adapters: edgekit.bench.targets.*

An adapter knows how to reach a target and nothing about models. edgekit.bench.workspace builds on it: a folder that is always
removed, programs that are bounded on the target, files whose digests are checked there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from edgekit.bench.command import Completed


class Transport(Protocol):
    """A connection to one target.

    text: the target as the user wrote it. base: absolute path of edgekit's own folder there, which is kept and
    may hold executables. bounded: whether programs there are to be run under `timeout -k` (else the local time limit kills the
    program itself). python: the Python interpreter to use there, None = it has none. python_options: what it is called with.
    remark: how programs run there, for the report's sentence on the method.
    """

    text: str
    base: str
    bounded: bool
    python: str | None
    python_options: Sequence[str] = ()
    remark: str = ""

    @property
    def install(self) -> str:
        """How a user installs a runtime for its Python."""
        return f"run `edgekit setup-device {self.text}`"

    def run(self, script: str, *, timeout_s: float) -> Completed:
        """Run a POSIX shell script (sh; on Android mksh and toybox) to its end, stdin empty.

        Returns:
            What it wrote, byte for byte, and its exit status. A lost connection does not always show in the status: callers
            that must know look for a mark of their own in stdout.

        Raises:
            TargetError: the target cannot be reached or refuses the login (message: what is wrong and what to do), or the
                local time limit has passed.
        """
        ...

    def start(self, script: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Start a script whose stdin stays open until we close it or die, when the script there sees the end of its input."""
        ...

    def push(self, files: Mapping[str, Path], *, timeout_s: float) -> None:
        """Copy local files to absolute paths there, whose folders exist; file modes 644.

        Raises:
            TargetError: it failed; "No space left" and a vanished target are distinguished.
        """
        ...

    def pull(self, path: str, *, timeout_s: float) -> bytes:
        """The content of a file at an absolute path there.

        Raises:
            TargetError: it is not there, or the target vanished (partial content is never returned: the size is checked).
        """
        ...

    def close(self) -> None:
        """Release the target. A connection that others may use again (ssh's ControlMaster) may stay for a minute."""
        ...
