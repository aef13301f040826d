"""A unique folder on a target, always removed afterwards, and the work in it: files with checked digests, bounded programs.

A keeper waits on the target until its stdin closes: when we are done or killed, or the connection is cut, it stops what still
runs in the folder and removes it. Large files that the caller names stay in a cache on the target, identified by their digests,
which are checked before each use.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from edgekit.bench import command
from edgekit.bench.cache import Cache, parts
from edgekit.bench.command import Completed
from edgekit.bench.transport import Transport
from edgekit.errors import TargetError
from edgekit.runs.files import sha256_file

_SHORT_S, _GRACE_S = 30.0, 15.0
# Until it prints the folder's name: it may first have to remove old folders from a slow card.
_FOLDER_S = 120.0
_MARK = b"\nEDGEKIT-STATUS="
# Exit statuses of `timeout` when the time is up: GNU's and new toyboxes; with -k; busybox and old toyboxes.
_TIMED_OUT = (124, 137, 143)

# $1: the base folder. Prints the new folder, then waits. No trap on EXIT alone: dash and mksh do not run it when a signal
# kills them.
_KEEPER = """
# Folders left when the device lost power, and our keeper with it.
find "$1" -maxdepth 1 -name 'work-*' -mtime +1 -exec rm -rf {} + 2>/dev/null
mkdir -p "$1" && d=$(mktemp -d "$1/work-XXXXXXXX") || { echo "cannot create a folder in $1" >&2; exit 1; }
end() {
  trap '' HUP TERM INT PIPE
  mv "$d" "$d-end" && d=$d-end
  # Each program and its parent. toybox's timeout dies alone and leaves its child; GNU's and toybox's create a group for it.
  set -- $(cat "$d"/.pid-* 2>/dev/null)
  for p; do kill -TERM "-$p"; kill -TERM "$p"; done 2>/dev/null
  [ $# = 0 ] || sleep 1
  for p; do kill -KILL "-$p"; kill -KILL "$p"; done 2>/dev/null
  rm -rf "$d" || { sleep 1; rm -rf "$d"; }
  exit 0
}
trap end HUP TERM INT PIPE
echo "$d"
cat >/dev/null
end
"""


class Workspace:
    """A folder on the target. `name`s are relative to it and plain: letters, digits, dot, dash and underscore."""

    def __init__(self, transport: Transport, folder: str) -> None:
        self.transport, self.folder = transport, folder
        self.pushed_bytes, self.push_seconds = 0, 0.0
        self._programs = 0
        self._pushed: set[str] = set()
        self._cache = Cache(f"{transport.base}/cache", self._shell)

    def path(self, name: str) -> str:
        """The absolute path of a name on the target."""
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
            raise ValueError(f"{name!r} is not a plain file name")
        return f"{self.folder}/{name}"

    def run(self, argv: Sequence[str], *, timeout_s: float, environment: Mapping[str, str] | None = None) -> Completed:
        """Run a program in the folder to its end; it is stopped on the target too when its time is up or we are gone.

        Raises:
            TargetError: the target vanished meanwhile, or the program did not end in time. A program's own failure is returned.
        """
        self._programs += 1
        limit_s, begin = max(1, int(timeout_s)), time.monotonic()
        bound = ["timeout", "-k", "5", str(limit_s)] if self.transport.bounded else []
        variables = [f"{name}={value}" for name, value in (environment or {}).items()]
        note = f".pid-{self._programs}"
        # A program whose note the keeper may have missed does not start: the keeper moves the folder before it reads the notes.
        # The pause: `timeout` of toybox 0.8.9 returns 127 for a program that ends before timeout continues after starting it.
        start = f'sleep 0.05 2>/dev/null; echo $$ $PPID >{note} && [ -d {shlex.quote(self.folder)} ] && exec "$@"'
        noted = ["sh", "-c", start, "sh"]
        words = shlex.join([*bound, *noted, "env", *variables, *argv])
        script = (
            f"cd {shlex.quote(self.folder)} || exit 1\n{words} </dev/null & wait $!\ns=$?\n"
            f"rm -f {note}\nprintf '\\nEDGEKIT-STATUS=%s\\n' $s\n"
        )
        done = self._ended(self.transport.run(script, timeout_s=timeout_s + _GRACE_S), f"{argv[0]} ran there")
        if bound and done.status in _TIMED_OUT and time.monotonic() - begin >= limit_s:
            raise TargetError(
                f"{argv[0]} on {self.transport.text} did not end within {timeout_s:.0f} s and was stopped."
            )
        return done

    def push(
        self,
        files: Mapping[str, Path | bytes],
        *,
        executable: Sequence[str] = (),
        cached: Collection[str] = (),
    ) -> None:
        """Copy files there. Each one's SHA-256 is computed on the target and must match ours. Files already there are not sent.

        Args:
            files: by their names; existing files are replaced.
            executable: names to make executable.
            cached: names whose content may stay on the target for the next time if it is large: never the user's samples.

        Raises:
            TargetError: the target vanished, has no space left, or holds other bytes than were sent.
        """
        for name in (*files, *executable):
            self.path(name)  # must be plain, since it becomes part of scripts
        with tempfile.TemporaryDirectory(prefix="edgekit-push-") as staging:
            local = {name: _on_disk(content, Path(staging) / name) for name, content in files.items()}
            digests = {name: sha256_file(path) for name, path in local.items()}
            kept = {name for name in cached if self._cache.takes(local[name])}
            known = {name: digest for name, digest in digests.items() if name in self._pushed or name in kept}
            self._pushed |= set(digests)
            there = self._cache.there(known, kept)
            missing = {self.path(name): path for name, path in local.items() if name not in there}
            if missing:
                size, begin = sum(path.stat().st_size for path in missing.values()), time.perf_counter()
                self.transport.push(missing, timeout_s=_SHORT_S + size / 100_000)
                self.pushed_bytes += size
                self.push_seconds += time.perf_counter() - begin
        self._verify({name: digest for name, digest in digests.items() if name not in there})
        if executable:
            self._shell("chmod 755 " + " ".join(executable))
        if new := kept - there:
            self._cache.keep({name: digests[name] for name in sorted(new)})

    def pull(self, name: str, *, timeout_s: float = 300.0) -> bytes:
        """The content of a file in the folder."""
        return self.transport.pull(self.path(name), timeout_s=timeout_s)

    def _ended(self, done: Completed, doing: str) -> Completed:
        """A script's own status and output, by the mark that it prints last."""
        stdout, mark, status = done.stdout.rpartition(_MARK)
        if not mark or not re.fullmatch(rb"\d+\s*", status):
            raise TargetError(f"{self.transport.text} vanished while {doing} ({done.last_line}).")
        return Completed(status=int(status), stdout=stdout, stderr=done.stderr)

    def _shell(self, script: str, *, timeout_s: float = 120.0) -> Completed:
        script = f"cd {shlex.quote(self.folder)} && {{\n{script}\n}}\nprintf '\\nEDGEKIT-STATUS=%s\\n' $?\n"
        done = self._ended(self.transport.run(script, timeout_s=timeout_s), "its folder was in use")
        if done.status:
            raise TargetError(f"{self.transport.text} failed in its own folder: {done.last_line}.")
        return done

    def _verify(self, digests: Mapping[str, str]) -> None:
        for part in parts(digests):
            printed = self._shell("sha256sum " + " ".join(part)).stdout.decode(errors="replace")
            pairs = re.findall(r"^\\?([0-9a-f]{64})\s+\*?(\S+)$", printed, re.MULTILINE)
            there = {name: digest for digest, name in pairs}
            for name, digest in part.items():
                if there.get(name) != digest:
                    raise TargetError(
                        f"{name} on {self.transport.text} differs from the file that was sent: SHA-256 "
                        f"{there.get(name, 'unknown')[:16]}, expected {digest[:16]}. Check its disk and its free space."
                    )


@contextlib.contextmanager
def workspace(transport: Transport) -> Iterator[Workspace]:
    """A new folder on the target for the block; gone afterwards, whatever happens.

    Raises:
        TargetError: no folder can be created there.
    """
    script = f"set -- {shlex.quote(transport.base)}\n{_KEEPER}"
    with transport.start(script) as keeper:
        folder = _first_line(keeper, transport)
        try:
            yield Workspace(transport, folder)
        finally:
            _end(keeper, transport, folder)


def _first_line(keeper: subprocess.Popen[bytes], transport: Transport) -> str:
    line, in_time = command.first_line(keeper, timeout_s=_FOLDER_S)
    if not in_time:
        raise TargetError(
            f"No folder could be created on {transport.text}: it did not answer within {_FOLDER_S:.0f} s."
        )
    if not line.startswith("/"):
        with contextlib.suppress(subprocess.TimeoutExpired):
            keeper.wait(5)
        stderr = _stream(keeper.stderr).read() if keeper.poll() is not None else b""
        message = command.plain(" ".join(stderr.decode(errors="replace").split())) or line or "no answer"
        raise TargetError(f"No folder could be created on {transport.text}: {message}.")
    return line


def _end(keeper: subprocess.Popen[bytes], transport: Transport, folder: str) -> None:
    with contextlib.suppress(OSError):
        _stream(keeper.stdin).close()
    try:
        if keeper.wait(_GRACE_S) == 0:
            return
    except subprocess.TimeoutExpired:
        pass
    # The connection of the keeper is gone. Where the target still answers, remove the folder over a new one.
    with contextlib.suppress(TargetError):
        transport.run(f"rm -rf {shlex.quote(folder)} {shlex.quote(folder)}-end", timeout_s=_SHORT_S)


def _stream(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _on_disk(content: Path | bytes, staged: Path) -> Path:
    if isinstance(content, Path):
        return content
    staged.write_bytes(content)
    return staged
