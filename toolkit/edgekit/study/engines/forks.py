"""Runs in processes that have everything imported already: a server imports once and forks for each run.

Importing TensorFlow and its company takes longer than a small student's training. The server has imported and no more: it has
built no graph and begun no thread of TensorFlow's, which a fork would lose. Where forks are not safe (all but Linux) it starts
plain processes. It speaks JSON lines: {"out", "name", "core"} on its standard input, {"name", "pid"} and {"name", "status"} on
its output. When its standard input closes, it ends its runs and itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

_POLL_S = 0.05
_LAST = 2000  # bytes of the server's words that are looked at when it is gone


class Forks:
    """The client's side: begins runs and tells how they end.

    Args:
        environment: variables of the server and its runs, beside this process's.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._server: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._words: IO[bytes] | None = None
        self.pids: dict[str, int | None] = {}
        """Of the runs at work, by name; None until the server has told."""

    def start(self, out: Path, name: str, core: int | None = None) -> None:
        """Begin run `name` of the study in `out`, on one core if `core` is given; its words go to its log.txt."""
        if self._server is None:
            # Not the terminal of the user, whom its warnings do not concern; its last words are told if it dies.
            self._words = tempfile.TemporaryFile()  # noqa: SIM115, `close` closes it
            self._server = subprocess.Popen(
                [sys.executable, "-m", "edgekit.study", "--serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._words,
                env={**os.environ, **self._environment},
                # A Ctrl-C is for the parent, which then ends its processes.
                start_new_session=True,
            )
        assert self._server.stdin
        self.pids[name] = None
        with contextlib.suppress(BrokenPipeError):  # `ended` finds it gone
            self._server.stdin.write(_line({"out": str(out), "name": name, "core": core}))
            self._server.stdin.flush()

    def ended(self, wait_s: float = 0.0) -> dict[str, str]:
        """How the process of each run ended that did so since the last call, in words.

        Args:
            wait_s: how long to wait for one.
        """
        found: dict[str, str] = {}
        server = self._server
        if server is None or server.stdout is None:
            return found
        while select.select([server.stdout], [], [], 0 if found else wait_s)[0]:
            if not (data := os.read(server.stdout.fileno(), 1 << 16)):
                # Its runs have lost their parent, and end by themselves.
                names = list(self.pids)
                found |= dict.fromkeys(names, f"was lost with the process that starts the runs, which {self.close()}")
                return found
            *lines, self._rest = (self._rest + data).split(b"\n")
            for told in map(json.loads, lines):
                if "pid" in told:
                    self.pids[told["name"]] = told["pid"]
                else:
                    del self.pids[told["name"]]
                    found[told["name"]] = _how(told["status"])
        return found

    def close(self) -> str:
        """End what still runs, and the server; returns how that ended, with the last of its words."""
        server, self._server, self._rest = self._server, None, b""
        words, self._words = self._words, None
        if server is None or words is None:
            return ""
        for pipe in (server.stdin, server.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        self.pids.clear()
        with words:
            words.seek(max(0, words.seek(0, os.SEEK_END) - _LAST))
            lines = words.read().decode(errors="replace").strip().splitlines()
        return _how(server.returncode) + (f" ({lines[-1].strip()})" if lines else "")


def serve() -> None:
    """The server's side: until standard input ends."""
    commands, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what a library prints is no answer
    forks = sys.platform == "linux"
    if forks:
        _import_everything()
    running: dict[int, str] = {}
    buffer = b""
    # A client that was killed no longer reads: the end of what is asked, too.
    with contextlib.suppress(BrokenPipeError):
        while True:
            if select.select([commands], [], [], _POLL_S)[0]:
                if not (data := os.read(commands, 1 << 16)):
                    break
                *lines, buffer = (buffer + data).split(b"\n")
                for asked in map(json.loads, lines):
                    pid = _fork(asked, (commands, answers)) if forks else _spawn(asked)
                    running[pid] = asked["name"]
                    os.write(answers, _line({"name": asked["name"], "pid": pid}))
            for pid in list(running):
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    os.write(answers, _line({"name": running.pop(pid), "status": os.waitstatus_to_exitcode(status)}))
    for pid in running:
        os.kill(pid, signal.SIGTERM)


def _import_everything() -> None:
    """What a run imports on its way, as far as importing is all that it does; Keras brings TensorFlow."""
    from edgekit import backend, pipeline  # noqa: F401
    from edgekit.study import worker  # noqa: F401

    backend.load()
    import scipy.stats  # noqa: F401
    import sklearn.model_selection  # noqa: F401


def _fork(asked: Mapping[str, Any], server_only: tuple[int, ...]) -> int:
    if pid := os.fork():
        return pid
    status = 1
    try:
        for descriptor in server_only:
            os.close(descriptor)
        log = os.open(_log(asked), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(log, 1)
        os.dup2(log, 2)
        from edgekit.study.worker import main

        status = main(Path(asked["out"]), asked["name"], asked["core"])
    finally:
        # Not sys.exit: the server's own frames must not go on in this copy of it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _spawn(asked: Mapping[str, Any]) -> int:
    with open(_log(asked), "ab") as log:
        command = [sys.executable, "-m", "edgekit.study", asked["out"], asked["name"]]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log).pid


def _log(asked: Mapping[str, Any]) -> Path:
    return Path(asked["out"], "jobs", asked["name"], "log.txt")


def _how(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"
