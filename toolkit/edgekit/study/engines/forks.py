"""Runs in processes with everything already imported: a server imports once and forks for each run.

Importing TensorFlow and the rest takes longer than a small student's training. The server has only imported: it has built no
graph and started no TensorFlow thread, which a fork would lose. Where forks are not safe (anywhere but Linux) it starts
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
_LAST = 2000  # bytes of the server's output to look at when it is gone


class Forks:
    """The client's side: starts runs and reports how they end.

    Args:
        environment: variables for the server and its runs, in addition to this process's.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._server: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._words: IO[bytes] | None = None
        self.pids: dict[str, int | None] = {}
        """The runs in progress, by name; None until the server has reported the process."""

    def start(self, out: Path, name: str, core: int | None = None) -> None:
        """Start run `name` of the study in `out`, on one core if `core` is given; its output goes to its log.txt."""
        if self._server is None:
            # Not the user's terminal, since its warnings are irrelevant there; its last output is shown if it dies.
            self._words = tempfile.TemporaryFile()  # noqa: SIM115, `close` closes it
            self._server = subprocess.Popen(
                [sys.executable, "-m", "edgekit.study", "--serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._words,
                env={**os.environ, **self._environment},
                # A Ctrl-C is for the parent, which then stops its processes.
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
        outcomes: dict[str, str] = {}
        server = self._server
        if server is None or server.stdout is None:
            return outcomes
        while select.select([server.stdout], [], [], 0 if outcomes else wait_s)[0]:
            if not (data := os.read(server.stdout.fileno(), 1 << 16)):
                # Its runs have lost their parent, and stop by themselves.
                names = list(self.pids)
                outcomes |= dict.fromkeys(
                    names, f"was lost with the process that starts the runs, which {self.close()}"
                )
                return outcomes
            *lines, self._rest = (self._rest + data).split(b"\n")
            for message in map(json.loads, lines):
                if "pid" in message:
                    self.pids[message["name"]] = message["pid"]
                else:
                    del self.pids[message["name"]]
                    outcomes[message["name"]] = _exit_reason(message["status"])
        return outcomes

    def close(self) -> str:
        """Stop what is still running, and the server; returns how that ended, with the last of its output."""
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
        return _exit_reason(server.returncode) + (f" ({lines[-1].strip()})" if lines else "")


def serve() -> None:
    """The server's side: until standard input ends."""
    commands, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # library output is not an answer
    forks = sys.platform == "linux"
    if forks:
        _import_everything()
    running: dict[int, str] = {}
    buffer = b""
    # A client that was killed no longer reads: that ends the requests, too.
    with contextlib.suppress(BrokenPipeError):
        while True:
            if select.select([commands], [], [], _POLL_S)[0]:
                if not (data := os.read(commands, 1 << 16)):
                    break
                *lines, buffer = (buffer + data).split(b"\n")
                for request in map(json.loads, lines):
                    pid = _fork(request, (commands, answers)) if forks else _spawn(request)
                    running[pid] = request["name"]
                    os.write(answers, _line({"name": request["name"], "pid": pid}))
            for pid in list(running):
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    os.write(answers, _line({"name": running.pop(pid), "status": os.waitstatus_to_exitcode(status)}))
    for pid in running:
        os.kill(pid, signal.SIGTERM)


def _import_everything() -> None:
    """Everything that a run imports, as far as importing has no other effect; Keras brings TensorFlow."""
    from edgekit.frameworks import backend
    from edgekit.pipeline.build import build  # noqa: F401
    from edgekit.study import worker  # noqa: F401

    backend.load()
    import scipy.stats  # noqa: F401
    import sklearn.model_selection  # noqa: F401


def _fork(request: Mapping[str, Any], server_only: tuple[int, ...]) -> int:
    if pid := os.fork():
        return pid
    status = 1
    try:
        for descriptor in server_only:
            os.close(descriptor)
        log = os.open(_log(request), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(log, 1)
        os.dup2(log, 2)
        from edgekit.study.worker import main

        status = main(Path(request["out"]), request["name"], request["core"])
    finally:
        # Not sys.exit: the server's own frames must not continue in this copy of it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _spawn(request: Mapping[str, Any]) -> int:
    with open(_log(request), "ab") as log:
        command = [sys.executable, "-m", "edgekit.study", request["out"], request["name"]]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log).pid


def _log(request: Mapping[str, Any]) -> Path:
    return Path(request["out"], "jobs", request["name"], "log.txt")


def _exit_reason(status: int) -> str:
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"
