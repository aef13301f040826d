"""Outside commands: an argument list, a time limit, shown with -v, killed with all its children when we are."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgekit.errors import TargetError


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a command ended: its exit status and what it wrote."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def last_line(self) -> str:
        """The last line of stderr, or of stdout if it wrote none: what a program says before it fails."""
        for stream in (self.stderr, self.stdout):
            if lines := stream.decode(errors="replace").strip().splitlines():
                return lines[-1]
        return "no message"


def show(argv: Sequence[str]) -> None:
    """Print a command before it runs, under `edgekit -v`."""
    if os.environ.get("EDGEKIT_VERBOSE"):
        print(f"+ {shlex.join(argv)}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def started(argv: Sequence[str], *, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    """A running command in a session of its own, so that a Ctrl-C reaches it only through us; dead when the block ends.

    Raises:
        TargetError: the program is not installed.
    """
    show(argv)
    try:
        process = subprocess.Popen(
            argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except FileNotFoundError:
        raise TargetError(f"{argv[0]} is not installed, or not on the PATH.") from None
    try:
        yield process
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()


def call(argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> Completed:
    """Run a command to its end.

    Raises:
        TargetError: the program is not installed, or did not end in time (it is killed).
    """
    with started(argv, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE) as process:
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise TargetError(f"{argv[0]} did not end within {timeout_s:.0f} s and was killed.") from None
    return Completed(status=process.returncode, stdout=stdout, stderr=stderr)
