"""All tables by their names, and what is behind a name in one of them."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

from edgekit.errors import MissingExtra, UnknownName
from edgekit.registry.curations import CURATIONS, POOLS
from edgekit.registry.entry import Entry
from edgekit.registry.exports import BUNDLES, FORMATS, PRECISIONS
from edgekit.registry.networks import BACKENDS, STUDENTS, TEACHERS
from edgekit.registry.sources import SOURCES
from edgekit.registry.targets import TARGETS

TABLES: Mapping[str, tuple[str, Mapping[str, Entry]]] = {
    "students": ("student", STUDENTS),
    "teachers": ("teacher", TEACHERS),
    "curations": ("curation method", CURATIONS),
    "pools": ("pool strategy", POOLS),
    "sources": ("data source", SOURCES),
    "targets": ("target", TARGETS),
    "precisions": ("precision", PRECISIONS),
    "formats": ("format", FORMATS),
    "backends": ("backend", BACKENDS),
    "bundles": ("bundle", BUNDLES),
}

_PACKAGE_OF_EXTRA = {"audio": "soundfile", "jax": "jax", "hf": "datasets", "tfds": "tensorflow_datasets"}


def check(table: str, name: str) -> Entry:
    """Return the entry of `name` in TABLES[table].

    Raises:
        UnknownName: the table has no such name; the message holds the closest one.
        MissingExtra: the entry needs an extra that is not installed.
    """
    what, entries = TABLES[table]
    if name not in entries:
        raise UnknownName(what, name, entries)
    entry = entries[name]
    if entry.extra and importlib.util.find_spec(_PACKAGE_OF_EXTRA[entry.extra]) is None:
        raise MissingExtra(f"{what.capitalize()} {name!r}", entry.extra)
    return entry


def module(table: str, name: str) -> str:
    """The module behind `name`: what a stage reaches by it. Raises UnknownName."""
    what, entries = TABLES[table]
    if name not in entries:
        raise UnknownName(what, name, entries)
    return entries[name].path.partition(":")[0]


def load(table: str, name: str) -> Callable[..., Any]:
    """Import and return the function behind `name`; raises as `check` does."""
    module, _, function = check(table, name).path.partition(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return loaded
