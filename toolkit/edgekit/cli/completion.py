"""What a shell completes: the names of the registry and of targets.yaml. Nothing is imported for it until Tab is pressed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from edgekit import registry

Completion = Callable[[str], list[tuple[str, str]]]


def names(table: str, *others: str) -> Completion:
    """Completes a name of `table` of the registry, with its summary; `others` are taken too."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        known = {name: entry.summary for name, entry in registry.TABLES[table][1].items()} | dict.fromkeys(others, "")
        return [(name, told) for name, told in known.items() if name.startswith(incomplete)]

    return complete


def members(incomplete: str) -> list[tuple[str, str]]:
    """Completes the last of some curation methods with commas between, such as "margin,au"."""
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
    return [(name, told) for name, told in known.items() if name.startswith(incomplete)]


def targets(incomplete: str) -> list[tuple[str, str]]:
    """Completes the kinds of targets and the names of targets.yaml. No device is asked."""
    from edgekit.bench import named
    from edgekit.errors import EdgekitError

    found = {f"{name}://" if name == "ssh" else name: entry.summary for name, entry in registry.TARGETS.items()}
    found["attached"] = "all that `edgekit devices` lists"
    with contextlib.suppress(EdgekitError):  # a damaged file, which the command itself will tell of
        found |= {name: entry.target for name, entry in named.configured().items()}
    return [(name, told) for name, told in found.items() if name.startswith(incomplete)]
