"""Stages of a build as they run: announced, timed, and taken from the cache if nothing they depend on has changed."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgekit.runs.cache import StageCache
from edgekit.types import Reporter


class NotCached(Exception):
    """A result that a dry run needs and the cache does not hold. name: of its stage."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Stages:
    """Seconds of each stage that ran (`timings`, the sum if it ran more than once), and reused stages (`reused`).

    untrained: why networks have not learned, by the stage that trained them. peak_rss_bytes: the most memory that this process,
    or one of its children, had taken by the end of each stage. dry: results are looked up and nothing is run.
    """

    def __init__(self, reporter: Reporter, *, dry: bool = False) -> None:
        self.reporter, self.dry = reporter, dry
        self.cache = StageCache()
        self.timings: dict[str, float] = {}
        self.reused: list[str] = []
        self.untrained: dict[str, str] = {}
        self.peak_rss_bytes: dict[str, int] = {}

    @contextmanager
    def timed(self, name: str, title: str) -> Iterator[None]:
        """Announce a stage and time what happens inside."""
        self.reporter.stage(title)
        start = time.perf_counter()
        yield
        self.timings[name] = round(self.timings.get(name, 0.0) + time.perf_counter() - start, 3)
        self.peak_rss_bytes[name] = _peak_rss_bytes()

    def progress(self, name: str, key: Mapping[str, Any]) -> Path:
        """Where stage `name` may store checkpoints for a build that resumes after a kill."""
        return self.cache.progress(name, key)

    def cached(self, name: str, title: str, key: Mapping[str, Any], work: Callable[[Path], None]) -> Path:
        """The folder with the stage's result under `key`; `work(folder)` runs only if it must. Its name is the key's digest.

        Raises:
            NotCached: the result is not there, and nothing may be run.
        """
        held = self.cache.has(name, key)  # reads all its files, so it is asked once
        if self.dry and not held:
            raise NotCached(name)
        with self.timed(name, title):
            if not held:
                return self.cache.run(name, key, work)
            if name not in self.timings:
                self.reused.append(name)
            self.reporter.note("reused from the cache: nothing it depends on has changed")
            return self.cache.folder(name, key)


def _peak_rss_bytes() -> int:
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return most if sys.platform == "darwin" else most * 1024
