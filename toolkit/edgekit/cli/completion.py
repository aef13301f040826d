"""What a shell completes: the names of the registry and of targets.yaml. Nothing is imported for it until Tab is pressed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from edgekit import registry

Completion = Callable[[str], list[tuple[str, str]]]


def names(table: str, *others: str) -> Completion:
    """Completes a name of `table` of the registry, with its summary; `others` are accepted too."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        known = {name: entry.summary for name, entry in registry.TABLES[table][1].items()} | dict.fromkeys(others, "")
        return [(name, summary) for name, summary in known.items() if name.startswith(incomplete)]

    return complete


def members(incomplete: str) -> list[tuple[str, str]]:
    """Completes the last of several curation methods separated by commas, such as "margin,au"."""
    before, comma, last = incomplete.rpartition(",")
    given = before.split(",")
    return [
        (f"{before}{comma}{name}", entry.summary)
        for name, entry in registry.CURATIONS.items()
        if entry.member and name.startswith(last) and name not in given
    ]


def sources(incomplete: str) -> list[tuple[str, str]]:
    """Completes the named data sets; paths are the shell's own business."""
    by_path = ("idx", "npz", "folder", "csv")
    known = {
        f"{name}:" if name in ("hf", "tfds") else name: entry.summary
        for name, entry in registry.SOURCES.items()
        if name not in by_path
    }
    return [(name, summary) for name, summary in known.items() if name.startswith(incomplete)]


def targets(incomplete: str) -> list[tuple[str, str]]:
    """Completes the kinds of targets and the names of targets.yaml. No device is contacted."""
    from edgekit.bench import named
    from edgekit.errors import EdgekitError

    summaries = {entry.form.partition("[")[0] or name: entry.summary for name, entry in registry.TARGETS.items()}
    summaries["attached"] = "all that `edgekit devices` lists"
    with contextlib.suppress(EdgekitError):  # a damaged file, which the command itself will report
        summaries |= {name: entry.target for name, entry in named.configured().items()}
    return [(name, summary) for name, summary in summaries.items() if name.startswith(incomplete)]


def weights(incomplete: str) -> list[tuple[str, str]]:
    """Completes the names of public weights; paths are the shell's own business."""
    return [(name, "public weights") for name in registry.PUBLIC_WEIGHTS if name.startswith(incomplete)]
