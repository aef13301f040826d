"""External commands: an argument list and a time limit; shown with -v, and killed with all their children when we stop."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgekit.errors import TargetError

_LINE_BYTES = 1 << 16
_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\))")


def plain(text: str) -> str:
    """A line of a device's text without what a terminal would interpret: escape sequences, control and formatting characters."""
    return "".join(c if c.isprintable() else " " * (c == "\t") for c in _ESCAPE.sub("", text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a command ended: its exit status and what it wrote."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def last_line(self) -> str:
        """The last line of stderr, or of stdout if it wrote none, as plain text: what a program says before it fails."""
        for stream in (self.stderr, self.stdout):
            lines = [plain(line).strip() for line in stream.decode(errors="replace").splitlines()]
            if written := [line for line in lines if line]:
                return written[-1]
        return "no message"


def show(argv: Sequence[str]) -> None:
    """Print a command before it runs, under `edgekit -v`."""
    if os.environ.get("EDGEKIT_VERBOSE"):
        print(f"+ {shlex.join(argv)}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def started(argv: Sequence[str], *, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    """A running command in a session of its own, so that a Ctrl-C reaches it only through us; killed when the block ends.

    Raises:
        TargetError: the program is not installed, or its arguments are longer than this system allows.
    """
    show(argv)
    try:
        process = subprocess.Popen(
            argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except FileNotFoundError:
        raise TargetError(f"{argv[0]} is not installed, or not on the PATH.") from None
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
        size = sum(len(os.fsencode(word)) for word in argv)
        raise TargetError(
            f"{argv[0]} cannot be started: {size:,} bytes of arguments are too many on this system."
        ) from None
    try:
        yield process
    finally:
        if process.poll() is None:
            _kill(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()


def first_line(process: subprocess.Popen[bytes], *, timeout_s: float) -> tuple[str, bool]:
    """The first line of a started command, as plain text, and whether it came in time; if not, the command is killed."""
    assert process.stdout is not None
    late = threading.Event()

    def end() -> None:
        late.set()
        _kill(process)

    watch = threading.Timer(timeout_s, end)
    watch.start()
    try:
        line = process.stdout.readline(_LINE_BYTES)
    finally:
        watch.cancel()
    return plain(line.decode(errors="replace")).strip(), not late.is_set()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill it with all its children, which may hold its pipes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


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
