"""Labels as users write them -> classes in a fixed order."""

from __future__ import annotations

import re
from collections.abc import Iterable

_INTEGER = re.compile(r"[+-]?\d+")


def names_in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """The distinct labels: by value if all are integers ("2" before "10"), else by name."""
    names = {str(label) for label in labels}
    if all(_INTEGER.fullmatch(name) for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))
