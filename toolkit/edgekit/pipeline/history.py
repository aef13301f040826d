"""What stages took in earlier runs on this machine: recorded by the stage cache and by finished runs, never extrapolated.

Only the same stage on the same data with the same sections of the recipe counts; anything else would be a guess.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.pipeline.stages import sections_of
from edgekit.recipe import Recipe
from edgekit.runs.cache import StageCache
from edgekit.runs.folder import MANIFEST

_MOST_READ = 200
_TRAINING = ("training", "student", "distillation", "peft")


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What a stage took. seconds: median of `runs` earlier ones. None = was not recorded.

    peak_rss_bytes: the most memory that the process had taken by the end of the stage, the largest of the runs.
    """

    seconds: float
    runs: int
    peak_rss_bytes: int | None = None
    train_flops: int | None = None


class History:
    """Earlier runs on the data set with this fingerprint: finished ones under `runs`, and the stage cache."""

    def __init__(self, runs: Path, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        self._cache = StageCache().root
        self._finished = list(_finished(runs, fingerprint))

    def took(self, name: str, recipe: Recipe) -> Took | None:
        """What stage `name` of a build of `recipe` took before; None if nothing like it is known."""
        values = recipe.model_dump(mode="json")
        reads = sections_of(name)
        same = [
            run for run in self._finished if run.ran(name) and all(run.recipe.get(key) == values[key] for key in reads)
        ]
        seconds = [run.timings[name] for run in same]
        peaks = [run.peaks[name] for run in same if name in run.peaks]
        flops = None
        for entry, more in self._cached(name, values):
            if not same:
                seconds.append(entry)
            flops = more or flops
        if not seconds:
            return None
        return Took(
            seconds=statistics.median(seconds),
            runs=len(seconds),
            peak_rss_bytes=max(peaks, default=None),
            train_flops=flops,
        )

    def _cached(self, name: str, values: Mapping[str, Any]) -> Iterator[tuple[float, int | None]]:
        """Seconds and training FLOPs of cached trainings with the same data and sections."""
        sections = ["teacher"] if name.split("_")[0] in ("teacher", "fold", "threshold") else list(_TRAINING)
        if name != "training" and sections != ["teacher"]:
            return
        wanted = [values[section] for section in sections]
        for path in _newest(self._cache / name, "*/stage.json"):
            record = _json(path)
            key = record.get("key", {})
            if not isinstance(key, dict) or not isinstance(record.get("seconds"), (int, float)):
                continue
            backend = key.get("backend")
            same = key.get("data") == self._fingerprint and key.get("sections") == wanted
            if same and isinstance(backend, dict) and backend.get("backend") == values["backend"]:
                yield float(record["seconds"]), _json(path.parent / "training.json").get("train_flops")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    recipe: Mapping[str, Any]
    timings: Mapping[str, float]
    reused: frozenset[str]
    peaks: Mapping[str, int]

    def ran(self, name: str) -> bool:
        return name in self.timings and name not in self.reused


def _finished(runs: Path, fingerprint: str) -> Iterator[_Run]:
    """The reports under `runs` that are of this data set and this machine."""
    here = (platform.machine(), os.cpu_count())
    for path in _newest(runs, "*/report.json"):
        document = _json(path)
        try:
            machine = document["run"]["machine"]
            if document["dataset"]["fingerprint"] != fingerprint or (machine["processor"], machine["cores"]) != here:
                continue
            yield _Run(
                recipe=dict(document["recipe"]),
                timings={name: float(value) for name, value in document["timings"].items()},
                reused=frozenset(document["reused_stages"]),
                peaks=dict(_json(path.with_name(MANIFEST)).get("peak_rss_bytes", {})),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            continue  # of another edgekit


def _newest(folder: Path, pattern: str) -> list[Path]:
    """Files of the newest folders; runs/latest is one of them under another name."""
    paths = [path for path in folder.glob(pattern) if not path.parent.is_symlink()]
    return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)[:_MOST_READ]


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
