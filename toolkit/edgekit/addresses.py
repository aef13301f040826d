"""How a target is written: host, ssh://[user@]host[:port], adb[:SERIAL], attached, or a name of targets.yaml."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from edgekit.errors import UsageError

Kind = Literal["host", "ssh", "adb", "attached", "named"]
FORMS = "host, ssh://[user@]host[:port], adb[:SERIAL], attached, or a name of targets.yaml"
# What these become parts of is an argument of ssh or adb: nothing that could be read as an option or a second word.
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_SERIAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:\[\]-]*")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A target as the user wrote it, and its parts. None = left to OpenSSH's configuration, or to there being one device."""

    text: str
    kind: Kind
    user: str | None = None
    host: str | None = None
    port: int | None = None
    serial: str | None = None


def parse(text: str) -> Address:
    """Take a target apart.

    Raises:
        UsageError: it has none of the forms, or a part of it holds what no user, host or serial number can be.
    """
    if text in ("host", "attached"):
        return Address(text=text, kind="host" if text == "host" else "attached")
    if text == "adb":
        return Address(text=text, kind="adb")
    if text.startswith("adb:"):
        return Address(text=text, kind="adb", serial=_part(text, "serial number", text[4:], _SERIAL))
    if text.startswith("ssh://"):
        return _ssh(text)
    if not _NAME.fullmatch(text):
        raise UsageError(f"The target {text!r} is none of: {FORMS}.")
    return Address(text=text, kind="named")


def _ssh(text: str) -> Address:
    try:
        parts = urlsplit(text)
        user, host, port = parts.username, parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"The target {text!r} is not ssh://[user@]host[:port]: {error}.") from None
    if port == 0:
        raise UsageError(f"The target {text!r} has the port 0; expected 1 to 65535.")
    if parts.password is not None:
        raise UsageError("A target holds no password; use an SSH key (ssh-copy-id).")
    # urlsplit drops tabs and newlines, and lowers the case of a host, which is a key of the user's ssh configuration.
    if parts.path not in ("", "/") or parts.query or parts.fragment or any(c.isspace() for c in text):
        raise UsageError(f"The target {text!r} is not ssh://[user@]host[:port].")
    written = text.removeprefix("ssh://").rstrip("/").rpartition("@")[2]
    host = written.partition(":")[0] if host and not written.startswith("[") else host
    if not host:
        raise UsageError(f"The target {text!r} names no host; expected ssh://[user@]host[:port].")
    if written.startswith("["):
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise UsageError(f"The target {text!r} holds no IPv6 address between the brackets.") from None
    else:
        _part(text, "host", host, _HOST)
    if user is not None:
        _part(text, "user", user, _USER)
    return Address(text=text, kind="ssh", user=user, host=host, port=port)


def _part(text: str, what: str, value: str, form: re.Pattern[str]) -> str:
    if not form.fullmatch(value):
        raise UsageError(f"The target {text!r} has {value!r} for a {what}, which cannot be one.")
    return value
