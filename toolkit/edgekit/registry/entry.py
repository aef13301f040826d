"""What a table holds of each of its names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Program(NamedTuple):
    """A program of the system that a target is reached by. what: the devices that are lost without it.

    packages: the package that brings it, by family of systems ("debian", ..., "darwin"); "" = in all others.
    """

    name: str
    what: str
    packages: Mapping[str, str]


class Entry(NamedTuple):
    """A name's line in its table.

    path: "module:function", or "" if no function stands behind the name. summary: one line. extra: the extra it needs, if any.
    Of a curation method: needs: the signals it reads. variants: its forms, the default first. budget: "needed", "optional" or
    "none". subset: it chooses a set and not a ranking. member: it may vote in a consensus. on_validation: it trusts the
    validation labels. params: its own parameters -> their defaults; curation.params sets them.
    Of a network: widths: the default first. from_file: its size is that of the file in student.backbone. weights: name of
    public weights -> the widths that have them, the default of these first.
    Of a target: form: how it is written, NAME[:SERIAL] or NAME://[user@]host[:port]; "" = by its name alone. program: what
    reaches it.
    """

    path: str
    summary: str
    extra: str | None = None
    needs: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    budget: str = "optional"
    subset: bool = False
    member: bool = False
    on_validation: bool = False
    widths: tuple[str, ...] = ()
    from_file: bool = False
    params: Mapping[str, Any] = {}
    weights: Mapping[str, tuple[str, ...]] = {}
    form: str = ""
    program: Program | None = None
