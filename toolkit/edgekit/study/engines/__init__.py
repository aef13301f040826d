"""Where the runs of a study execute: processes on this machine, or a Ray cluster. Both start the same program."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from edgekit.errors import UnknownName

ENGINES = {"local": "edgekit.study.engines.local", "ray": "edgekit.study.engines.cluster"}


class Engine(Protocol):
    """Starts processes and reports when they end; it knows nothing about what they do.

    slots: how many may run at once. A started process reads OUT/jobs/NAME and leaves its outcome there.
    """

    slots: int

    def start(self, name: str, out: Path) -> None:
        """Start run `name` of the study in `out`."""

    def ended(self) -> Mapping[str, str]:
        """How the process of each run ended that did so since the last call, e.g. "was killed by signal 9"."""

    def close(self) -> None:
        """Stop what is still running."""


def make(name: str, *, jobs: int | None, address: str | None) -> Engine:
    """The engine of that name.

    Args:
        jobs: processes at once; None = as many as cores and memory allow.
        address: of a Ray cluster: "auto", host:port, or "local" for one of this machine alone.

    Raises:
        UnknownName: no such engine. MissingExtra: Ray is not installed.
    """
    if name not in ENGINES:
        raise UnknownName("engine", name, ENGINES)
    engine: Engine = importlib.import_module(ENGINES[name]).make(jobs=jobs, address=address)
    return engine
