"""Runs on a Ray cluster (the extra `ray`): one task per run, which starts the same process as the local engine.

Every node has edgekit installed and sees the study's folder under the same path. Ray's own retries are off: a lost process,
worker or node is reported to the schedule, which starts the run once more and counts it, the same on either engine.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.data.cores import available
from edgekit.errors import MissingExtra, UsageError
from edgekit.study.engines.forks import Forks
from edgekit.study.engines.local import PROCESS_BYTES, one_thread

_LOST = "was lost with its Ray worker or node"
_UNSEEN = "sees no folder of the study"
_HANDED_ON = ("EDGEKIT_DATA", "XDG_CACHE_HOME")


def make(*, jobs: int | None, address: str | None) -> Cluster:
    """Join the cluster at `address` ("auto": the one on this machine; "local": start one).

    Raises:
        MissingExtra: Ray is not installed. UsageError: there is no cluster, or it has no room for one run.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtra("--engine ray", "ray") from None
    address = address or "auto"
    own: dict[str, Any] = {"num_cpus": available(), "include_dashboard": False} if address == "local" else {}
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UsageError(
                f"No Ray cluster answers at {address!r} ({reason}). `ray start --head` starts one; "
                "--address local uses this machine."
            ) from None
    try:
        room = ray.cluster_resources()
        fit = int(min(room.get("CPU", 0), room.get("memory", 0) // PROCESS_BYTES))
        if fit < 1:
            raise UsageError(f"The Ray cluster at {address!r} has no room for a run: 1 CPU and 1.6 GB of memory.")
        if jobs is not None and jobs < 1:
            raise UsageError(f"--jobs must be at least 1, found {jobs}.")
        return Cluster(ray, min(fit, jobs or fit), ours=ours)
    except BaseException:
        if ours:
            ray.shutdown()
        raise


def compute(out: str, name: str, environment: dict[str, str]) -> str:
    """On a node: how one run's process ended. If this worker is killed, the process ends with it."""
    if not Path(out, "jobs", name, "recipe.yaml").is_file():
        return _UNSEEN
    processes = _processes(tuple(sorted({**environment, **one_thread()}.items())))
    processes.start(Path(out), name)
    while not (ended := processes.ended(wait_s=60)):
        pass
    return ended[name]


@functools.cache
def _processes(environment: tuple[tuple[str, str], ...]) -> Forks:
    """The processes of this worker, which has one run at a time: Ray gives it one task after another."""
    return Forks(dict(environment))


class Cluster:
    """See engines.Engine. ours: this process joined the cluster, and leaves it again."""

    def __init__(self, ray: Any, slots: int, *, ours: bool) -> None:
        self.slots = slots
        self._ray, self._ours = ray, ours
        self._task = ray.remote(num_cpus=1, memory=PROCESS_BYTES, max_retries=0)(compute)
        self._environment = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
        self._running: dict[Any, str] = {}

    def start(self, name: str, out: Path) -> None:
        self._running[self._task.remote(str(out), name, self._environment)] = name

    def ended(self) -> Mapping[str, str]:
        if not self._running:
            return {}
        ready, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        outcomes = {}
        for task in ready:
            name = self._running.pop(task)
            try:
                outcomes[name] = str(self._ray.get(task))
            except self._ray.exceptions.RayError:  # the worker or its node is gone
                outcomes[name] = _LOST
            if outcomes[name] == _UNSEEN:
                raise UsageError(
                    "A node of the Ray cluster does not see the study's folder; choose an --out that all nodes share."
                )
        return outcomes

    def close(self) -> None:
        for task in self._running:
            self._ray.cancel(task, force=True)
        self._running.clear()
        if self._ours:
            self._ray.shutdown()
