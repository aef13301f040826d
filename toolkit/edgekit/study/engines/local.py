"""Runs as processes of this machine, one core each."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from edgekit.data.cores import available
from edgekit.errors import UsageError

PROCESS_BYTES = int(1.6 * 1024**3)
"""What a process with TensorFlow takes, at least."""


def make(*, jobs: int | None, address: str | None) -> Local:
    """`jobs` processes at once; by default as many as there are cores, and memory for.

    Raises:
        UsageError: an address, which only a cluster has, or no jobs.
    """
    if address is not None:
        raise UsageError("--address is for --engine ray; the local engine is this machine.")
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs must be at least 1, found {jobs}.")
    return Local(jobs or max(1, min(available(), int(psutil.virtual_memory().available / PROCESS_BYTES))))


class Local:
    """See engines.Engine. A process whose parent is gone ends by itself: its standard input closes."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._running: dict[str, tuple[subprocess.Popen[bytes], int]] = {}

    def start(self, name: str, out: Path) -> None:
        core = min(set(range(self.slots)) - {slot for _, slot in self._running.values()})
        with open(out / "jobs" / name / "log.txt", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "edgekit.study", str(out), name, "--core", str(core)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | one_thread(),
                # A Ctrl-C is for the parent, which then ends its processes.
                start_new_session=True,
            )
        self._running[name] = (process, core)

    def ended(self) -> Mapping[str, int]:
        found = {}
        for name, (process, _) in list(self._running.items()):
            if (status := process.poll()) is not None:
                found[name] = status
                self._forget(name)
        return found

    def close(self) -> None:
        for process, _ in self._running.values():
            process.terminate()
        for name, (process, _) in list(self._running.items()):
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._forget(name)

    def _forget(self, name: str) -> None:
        process, _ = self._running.pop(name)
        if process.stdin:
            process.stdin.close()


def one_thread() -> Mapping[str, str]:
    """The environment of a run: one thread for arithmetic, whatever the machine, so that the same bits come out."""
    return {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
