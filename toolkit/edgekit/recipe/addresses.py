"""How a target is written: as its line in registry.TARGETS says, attached, or a name of targets.yaml."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from edgekit import registry
from edgekit.errors import UsageError

# What these become parts of is an argument of ssh or adb: nothing that could be read as an option or a second word.
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_SERIAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:\[\]-]*")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A target as the user wrote it, and its parts. None = left to OpenSSH's configuration, or to there being one device.

    kind: a name of registry.TARGETS, "attached", or "named" for a name of targets.yaml.
    """

    text: str
    kind: str
    user: str | None = None
    host: str | None = None
    port: int | None = None
    serial: str | None = None


def parse(text: str) -> Address:
    """Take a target apart.

    Raises:
        UsageError: it has none of the forms, or a part of it holds what no user, host or serial number can be.
    """
    kind, colon, part = text.partition(":")
    form = registry.TARGETS[kind].form if kind in registry.TARGETS else None
    if form and "://" in form:
        if part.startswith("//"):
            return _url(text, kind, form)
    elif form is not None and not colon:
        return Address(text=text, kind=kind)
    elif form:
        return Address(text=text, kind=kind, serial=_part(text, "serial number", part, _SERIAL))
    if not _NAME.fullmatch(text):
        known = ", ".join(registry.target_forms())
        raise UsageError(f"The target {text!r} is not valid; expected {known}, attached, or a name from targets.yaml.")
    return Address(text=text, kind="attached" if text == "attached" else "named")


def _url(text: str, kind: str, form: str) -> Address:
    try:
        parts = urlsplit(text)
        user, host, port = parts.username, parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"The target {text!r} is not {form}: {error}.") from None
    if port == 0:
        raise UsageError(f"The target {text!r} has the port 0; expected 1 to 65535.")
    if parts.password is not None:
        raise UsageError("A target must not contain a password; use an SSH key (ssh-copy-id).")
    # urlsplit drops tabs and newlines, and lowers the case of a host, which is a key of the user's ssh configuration.
    if parts.path not in ("", "/") or parts.query or parts.fragment or any(c.isspace() for c in text):
        raise UsageError(f"The target {text!r} is not {form}.")
    written = text.removeprefix(f"{kind}://").rstrip("/").rpartition("@")[2]
    host = written.partition(":")[0] if host and not written.startswith("[") else host
    if not host:
        raise UsageError(f"The target {text!r} names no host; expected {form}.")
    if written.startswith("["):
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise UsageError(f"The target {text!r} has no valid IPv6 address in the brackets.") from None
    else:
        _part(text, "host", host, _HOST)
    if user is not None:
        _part(text, "user", user, _USER)
    return Address(text=text, kind=kind, user=user, host=host, port=port)


def _part(text: str, what: str, value: str, form: re.Pattern[str]) -> str:
    if not form.fullmatch(value):
        raise UsageError(f"The target {text!r} has {value!r} as its {what}, which is not a valid one.")
    return value
