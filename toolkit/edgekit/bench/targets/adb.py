"""An Android device over the system's own adb: always `adb -s SERIAL`, one argument for its shell, a mark after each script.

adb joins its arguments with spaces and hands them to the device's sh, and it exits with 0 when a device dies in mid-shell. So a
script is one argument here, and its status is read from a line of its own. For adb 1.0.36 and Android 8, and newer ones.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from edgekit import addresses
from edgekit.addresses import Address
from edgekit.bench import command
from edgekit.bench.command import Completed
from edgekit.errors import TargetError, UsageError

# /sdcard is mounted noexec; this is where adb's user may execute what it brings.
_BASE = "/data/local/tmp/edgekit"
# `adb devices` may start the adb server first, which looks for devices for some seconds.
_LIST_S, _CONTACT_S = 30.0, 30.0
_BEGIN = b"EDGEKIT-BEGIN\n"
_END = re.compile(rb"\nEDGEKIT-END=(\d+)\n\Z")
# The trap keeps what the script wrote apart from its status, and also runs when the script calls exit.
_FRAME = """trap 's=$?; echo; echo "EDGEKIT-END=$s"; exit "$s"' EXIT\n"""
# A `timeout` of an old toybox may have no -k; that of toybox 0.8.9 tells 127 for what ends at once, so it is given a pause.
_CONTACT = """command -v sha256sum >/dev/null && echo sha256sum
timeout -k 1 10 sh -c 'sleep 0.05; exit 0' 2>/dev/null && echo bounded
exit 0
"""
_INSTALL = (
    "adb is not installed, or not on the PATH. Install Android's platform tools "
    "(Debian: apt install adb; macOS: brew install android-platform-tools)."
)
_FIX = {
    "device": None,
    "unauthorized": "unlock it and confirm the question about USB debugging on its screen; if none appears, plug it in again",
    "authorizing": "unlock it, confirm the question about USB debugging on its screen if there is one, and try again",
    "connecting": "wait a moment and try again",
    "offline": "unplug it and plug it in again, or run `adb reconnect offline`; a phone in the network: `adb connect`",
    "no permissions": "let your user access it (Debian: apt install android-sdk-platform-tools-common, join the group plugdev; "
    "elsewhere: a udev rule), run `adb kill-server`, and plug it in again",
    "bootloader": "start Android on it: `fastboot reboot`",
    "recovery": "start Android on it: `adb reboot`",
    "rescue": "start Android on it: `adb reboot`",
    "sideload": "start Android on it: `adb reboot`",
    "odd serial number": "its serial number cannot be written as adb:SERIAL; attach it alone and use adb",
}
_STATES = "|".join((*_FIX, "host", "unknown"))
# The serial number of a device in the network may hold spaces; facts follow with -l.
_LINE = re.compile(
    rf"(?P<serial>\S.*?)?\s+(?P<state>{_STATES})(?P<why> \(.*?\))?(; see \[\S*\])?(?P<facts>(\s+\w+:\S*)*)\s*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """As `adb devices -l` lists it. state: "device" = ready. facts: usb, product, model, device, transport_id, if told."""

    serial: str
    state: str
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def fix(self) -> str | None:
        """What to do about its state; None = it is ready."""
        return _FIX.get(self.state, "plug it in again, or run `adb reconnect`")


def installed() -> bool:
    """Whether there is an adb to ask."""
    return shutil.which("adb") is not None


def attached() -> list[Attached]:
    """All devices that adb knows of, in any state. Starts the adb server if none runs, as each use of adb does.

    Raises:
        TargetError: adb is not installed, or cannot start its server.
    """
    if not installed():
        raise TargetError(_INSTALL)
    done = command.call(["adb", "devices", "-l"], timeout_s=_LIST_S)
    if done.status:
        raise TargetError(f"`adb devices` failed: {_last(done.stderr)}.")
    return parse_devices(done.stdout.decode(errors="replace"))


def parse_devices(text: str) -> list[Attached]:
    """The devices of an output of `adb devices -l` or `adb devices`; lines that are none are skipped."""
    found = []
    for line in text.splitlines():
        if (match := _LINE.fullmatch(line)) and not line.startswith("*"):
            serial = match["serial"] or ""
            state = match["state"]
            if state == "device" and not _writable(serial):
                state = "odd serial number"
            facts = dict(pair.split(":", 1) for pair in match["facts"].split())
            found.append(Attached(serial=serial, state=state, facts=facts))
    return found


def usb_devices_present(*, sysfs: Path = Path("/sys/bus/usb/devices")) -> bool:
    """Whether an Android device may be attached, found without starting an adb server.

    True if a USB device offers ADB's interface (class ff, subclass 42, protocol 01; Linux only), or an adb server runs already.
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


class Adb:
    """A Transport. serial: the device's, as adb lists it."""

    base = _BASE
    python: str | None = None  # Android has none

    def __init__(self, text: str, serial: str) -> None:
        self.text = text
        self._serial = serial
        self._adb = ["adb", "-s", serial]
        features = self._call(["features"], timeout_s=_CONTACT_S)
        if features.status:
            raise self._lost("at the first contact", features)
        if b"shell_v2" not in features.stdout.split():
            raise TargetError(
                f"{text} runs Android 6 or older (its adbd lacks shell_v2); edgekit needs Android 8 (2017) or newer."
            )
        found = self.run(_CONTACT, timeout_s=_CONTACT_S).stdout.split()
        if b"sha256sum" not in found:
            raise TargetError(
                f"{text} runs Android 7 or older (it lacks sha256sum); edgekit needs Android 8 (2017) or newer."
            )
        self.bounded = b"bounded" in found

    def run(self, script: str, *, timeout_s: float) -> Completed:
        return self._run(script, "while a command ran there", timeout_s=timeout_s)

    @contextlib.contextmanager
    def start(self, script: str) -> Iterator[subprocess.Popen[bytes]]:
        argv = [*self._adb, "shell", f"echo {_BEGIN.decode()}{script}"]
        with command.started(argv, stdin=subprocess.PIPE) as process:
            watch = threading.Timer(_CONTACT_S, process.kill)
            watch.start()
            try:
                if _stream(process.stdout).readline() != _BEGIN:
                    process.kill()
                    done = Completed(status=process.wait(), stdout=b"", stderr=_stream(process.stderr).read())
                    raise self._lost("before a command ran there", done)
            finally:
                watch.cancel()
            yield process

    def push(self, files: Mapping[str, Path], *, timeout_s: float) -> None:
        """One `adb push` a file: adbd makes missing folders, so that what still ran after our death could bring ours back."""
        end = time.monotonic() + timeout_s
        for path, source in files.items():
            argv = ["push", "--", str(source.absolute()), path]
            done = self._call(argv, timeout_s=max(1.0, end - time.monotonic()))
            if done.status:
                raise self._refused(path, done)

    def pull(self, path: str, *, timeout_s: float) -> bytes:
        """Through the shell, which is clean for binary data without a terminal; the size is told first and checked."""
        script = f'f={shlex.quote(path)}; s=$(wc -c <"$f") && echo $s && cat "$f"'
        done = self._run(script, f"while {path} was fetched", timeout_s=timeout_s)
        size, _, content = done.stdout.partition(b"\n")
        if done.status or not size.isdigit() or len(content) != int(size):
            raise TargetError(f"{path} cannot be read on {self.text}: {_last(done.stderr)}.")
        return content

    def close(self) -> None:
        """Nothing: the adb server belongs to the user and goes on."""

    def _run(self, script: str, when: str, *, timeout_s: float) -> Completed:
        done = self._call(["shell", f"{_FRAME}{script}\n"], timeout_s=timeout_s)
        end = _END.search(done.stdout)
        if end is None:
            raise self._lost(when, done)
        return Completed(status=int(end[1]), stdout=done.stdout[: end.start()], stderr=done.stderr)

    def _call(self, arguments: Sequence[str], *, timeout_s: float) -> Completed:
        try:
            return command.call([*self._adb, *arguments], timeout_s=timeout_s)
        except TargetError as error:
            raise TargetError(f"{self.text}: {error}") from None

    def _lost(self, when: str, done: Completed) -> TargetError:
        """The error for a command that did not come to its end, by what adb knows of the device now."""
        said = _last(done.stderr)
        try:
            now = {each.serial: each for each in attached()}
        except TargetError as error:
            return error
        device = now.get(self._serial)
        if device is None:
            return TargetError(f"{self.text} vanished {when} ({said}). Check its cable, then try again.")
        if device.fix is not None:
            return TargetError(f"{self.text} vanished {when} and is {device.state!r} now ({said}): {device.fix}.")
        return TargetError(f"{self.text} vanished {when} and is there again ({said}). Check its cable, then try again.")

    def _refused(self, path: str, done: Completed) -> TargetError:
        said = (done.stderr + done.stdout).decode(errors="replace")
        errors = [
            line for line in said.splitlines() if "error" in line
        ]  # after which adb still says what it has pushed
        reason = _last(errors[-1].encode()) if errors else _last(done.stderr)
        for pattern, message in (
            ("No space left", f"No space left on {self.text} in {self.base}: free some there"),
            ("Read-only file system", f"{self.text} has {path} on a read-only file system: restart it"),
            ("Permission denied|Operation not permitted", f"{self.text} does not let adb write {path}"),
            ("remote |cannot stat|not a directory", f"{self.text} could not store what was sent to {path}"),
        ):
            if re.search(pattern, said):
                return TargetError(f"{message} ({reason}).")
        return self._lost("while files were sent to it", done)


def connect(address: Address) -> Adb:
    """The device adb:SERIAL, or for a plain adb the only one that is attached. ANDROID_SERIAL is not looked at.

    Raises:
        TargetError: adb or the device is not there, there are several, or it is in a state in which nothing runs on it.
    """
    devices = attached()
    listed = ", ".join(f"{each.serial} ({each.state})" for each in devices) or "none"
    if address.serial is None:
        if not devices:
            raise TargetError(
                "No Android device is attached. Switch on USB debugging in its Developer options and plug it in."
            )
        if len(devices) > 1:
            raise TargetError(f"Several Android devices are attached: {listed}. Name one: adb:SERIAL.")
        (device,) = devices
    else:
        named = [each for each in devices if each.serial == address.serial]
        if not named:
            hint = f" If it is in the network: `adb connect {address.serial}`." if ":" in address.serial else ""
            raise TargetError(f"No Android device {address.serial!r} is attached; attached: {listed}.{hint}")
        device = named[0]
    if device.fix is not None and device.state != "odd serial number":
        raise TargetError(f"The Android device {device.serial} is not ready ({device.state}): {device.fix}.")
    return Adb(address.text, device.serial)


def _writable(serial: str) -> bool:
    """Whether a target can be written with it."""
    try:
        addresses.parse(f"adb:{serial}")
    except UsageError:
        return False
    return True


def _last(text: bytes) -> str:
    last = Completed(status=1, stdout=b"", stderr=text).last_line
    return last.rstrip(".") if text.strip() else "the connection was cut"


def _stream(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
