"""Runs as processes of this machine, one core each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil

from edgekit.data.cores import available
from edgekit.errors import UsageError
from edgekit.study.engines.forks import Forks

PROCESS_BYTES = int(1.6 * 1024**3)
"""The minimum memory of a process with TensorFlow."""


def make(*, jobs: int | None, address: str | None) -> Local:
    """`jobs` processes at once; by default as many as there are cores, and memory for.

    Raises:
        UsageError: an address, which only a cluster has, or no jobs.
    """
    if address is not None:
        raise UsageError("--address works only with --engine ray; the local engine uses this machine.")
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs must be at least 1, found {jobs}.")
    return Local(jobs or max(1, min(available(), int(psutil.virtual_memory().available / PROCESS_BYTES))))


class Local:
    """See engines.Engine. processes: what runs."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.processes = Forks(one_thread())
        self._cores: dict[str, int] = {}

    def start(self, name: str, out: Path) -> None:
        self._cores[name] = min(set(range(self.slots)) - set(self._cores.values()))
        self.processes.start(out, name, self._cores[name])

    def ended(self) -> Mapping[str, str]:
        outcomes = self.processes.ended()
        for name in outcomes:
            del self._cores[name]
        return outcomes

    def close(self) -> None:
        self.processes.close()
        self._cores.clear()


def one_thread() -> Mapping[str, str]:
    """The environment of a run: one thread for arithmetic, on any machine, so that results are the same bit for bit."""
    return {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
