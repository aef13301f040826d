"""The Android devices that adb knows of, and the state each is in."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.bench import command
from edgekit.bench.command import Completed
from edgekit.errors import TargetError, UsageError
from edgekit.recipe import addresses

# `adb devices` may start the adb server first, which searches for devices for a few seconds.
_LIST_S = 30.0
_INSTALL = (
    "adb is not installed, or not on the PATH. Install Android's platform tools "
    "(Debian: apt install adb; macOS: brew install android-platform-tools)."
)
_FIX = {
    "device": None,
    "unauthorized": "unlock it and accept the USB debugging prompt on its screen; if none appears, plug it in again",
    "authorizing": "unlock it, accept the USB debugging prompt on its screen if there is one, and try again",
    "connecting": "wait a moment and try again",
    "offline": "unplug it and plug it in again, or run `adb reconnect offline`; for a phone on the network: `adb connect`",
    "no permissions": "give your user access (Debian: apt install android-sdk-platform-tools-common, join the group plugdev; "
    "elsewhere: a udev rule), run `adb kill-server`, and plug it in again",
    "bootloader": "start Android on it: `fastboot reboot`",
    "recovery": "start Android on it: `adb reboot`",
    "rescue": "start Android on it: `adb reboot`",
    "sideload": "start Android on it: `adb reboot`",
    "odd serial number": "its serial number cannot be written as adb:SERIAL; attach only this device and use the target adb",
}
_STATES = "|".join((*_FIX, "host", "unknown"))
# The serial number of a network device may contain spaces; facts follow with -l.
_LINE = re.compile(
    rf"(?P<serial>\S.*?)?\s+(?P<state>{_STATES})(?P<why> \(.*?\))?(; see \[\S*\])?(?P<facts>(\s+\w+:\S*)*)\s*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """As `adb devices -l` lists it. state: "device" = ready. facts: usb, product, model, device, transport_id, if known."""

    serial: str
    state: str
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def fix(self) -> str | None:
        """What to do about its state; None = it is ready."""
        return _FIX.get(self.state, "plug it in again, or run `adb reconnect`")


def installed() -> bool:
    """Whether adb is installed."""
    return shutil.which("adb") is not None


def attached() -> list[Attached]:
    """All devices that adb knows of, in any state. Starts the adb server if none is running, as any adb command does.

    Raises:
        TargetError: adb is not installed, or cannot start its server.
    """
    if not installed():
        raise TargetError(_INSTALL)
    done = command.call(["adb", "devices", "-l"], timeout_s=_LIST_S)
    if done.status:
        raise TargetError(f"`adb devices` failed: {last_line(done.stderr)}.")
    return parse_devices(done.stdout.decode(errors="replace"))


def parse_devices(text: str) -> list[Attached]:
    """The devices of an output of `adb devices -l` or `adb devices`; other lines are skipped."""
    devices = []
    for line in text.splitlines():
        if (match := _LINE.fullmatch(line)) and not line.startswith("*"):
            serial = match["serial"] or ""
            state = match["state"]
            if state == "device" and not _writable(serial):
                state = "odd serial number"
            facts = dict(pair.split(":", 1) for pair in match["facts"].split())
            devices.append(Attached(serial=serial, state=state, facts=facts))
    return devices


def usb_devices_present(*, sysfs: Path = Path("/sys/bus/usb/devices")) -> bool:
    """Whether an Android device may be attached, checked without starting an adb server.

    True if a USB device offers ADB's interface (class ff, subclass 42, protocol 01; Linux only), or an adb server is running.
    """
    for interface in sysfs.glob("*:*"):
        with contextlib.suppress(OSError):
            ids = [(interface / f"bInterface{part}").read_text().strip() for part in ("Class", "SubClass", "Protocol")]
            if ids == ["ff", "42", "01"]:
                return True
    with contextlib.suppress(OSError, ValueError):
        port = int(os.environ.get("ANDROID_ADB_SERVER_PORT", "5037"))
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as server:
            server.sendall(b"000chost:version")
            return server.recv(4) == b"OKAY"
    return False


def last_line(text: bytes) -> str:
    """The last line of what adb wrote, without its full stop."""
    last = Completed(status=1, stdout=b"", stderr=text).last_line
    return last.rstrip(".") if text.strip() else "the connection was cut"


def _writable(serial: str) -> bool:
    """Whether a target can be written with this serial number."""
    try:
        addresses.parse(f"adb:{serial}")
    except UsageError:
        return False
    return True
