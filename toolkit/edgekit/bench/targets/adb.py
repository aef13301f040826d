"""An Android device over the system's own adb: always `adb -s SERIAL`, one argument for its shell, a mark after each script.

adb joins its arguments with spaces and passes them to the device's sh, and it exits with 0 when a device dies during a command.
So a script is one argument here, and its status is read from a line of its own. For adb 1.0.36, Android 8, and newer versions.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from edgekit.bench import android, command
from edgekit.bench.adb_devices import attached, installed, last_line, usb_devices_present
from edgekit.bench.command import Completed
from edgekit.bench.target import DiscoveredDevice, Endpoint, Target
from edgekit.bench.transport import Transport
from edgekit.errors import TargetError
from edgekit.recipe import BenchSection
from edgekit.recipe.addresses import Address

# /sdcard is mounted noexec; this is where adb's user may execute the files it copies.
_BASE = "/data/local/tmp/edgekit"
_CONTACT_S = 30.0
_BEGIN = b"EDGEKIT-BEGIN\n"
_END = re.compile(rb"\nEDGEKIT-END=(\d+)\n\Z")
# The trap keeps what the script wrote apart from its status, and also runs when the script calls exit.
_FRAME = """trap 's=$?; echo; echo "EDGEKIT-END=$s"; exit "$s"' EXIT\n"""
# The `timeout` of an old toybox may lack -k; that of toybox 0.8.9 returns 127 for what ends at once, hence the pause.
_CONTACT = """command -v sha256sum >/dev/null && echo sha256sum
timeout -k 1 10 sh -c 'sleep 0.05; exit 0' 2>/dev/null && echo bounded
exit 0
"""


class AdbTarget(Target):
    """Android, which has no Python: a native program measures."""

    needs_runner = True

    def connect(self, endpoint: Endpoint) -> Adb:
        return connect(endpoint.address)

    def accepts(self, endpoint: Endpoint, plan: BenchSection) -> None:
        if plan.runner is None:
            raise TargetError(
                f"{endpoint.text} needs a native runner: --runner PATH of TensorFlow Lite's benchmark_model or of edgekit's own "
                "C runner (docs/devices.md), or `runner` in targets.yaml."
            )

    def prepared(self, transport: Transport, plan: BenchSection) -> AbstractContextManager[None]:
        return android.fixed_performance(transport) if plan.fixed_performance else contextlib.nullcontext()

    def readiness(
        self, endpoint: Endpoint, facts: Mapping[str, Any], runtimes: Mapping[str, str]
    ) -> tuple[str, str | None]:
        if endpoint.named and endpoint.named.runner:
            return "ready", None
        given = "PATH of benchmark_model or of edgekit's C runner (docs/devices.md)"
        return "no runner", f"edgekit bench ... --runner {given}"

    def discover(self, *, start: bool = True) -> Sequence[DiscoveredDevice]:
        try:
            listed = attached() if installed() and (start or usb_devices_present()) else []
        except TargetError:  # connect() of a plain adb reports what is wrong
            return [DiscoveredDevice(text="adb")]
        return [DiscoveredDevice(text=f"adb:{each.serial}", state=each.state, fix=each.fix) for each in listed]

    def looked_for(self) -> str:
        if installed():
            return "Android devices through adb"
        return "no Android devices, since adb is not installed (Debian: apt install adb)"


class Adb(Transport):
    """A Transport. serial: the device's, as adb lists it."""

    base = _BASE
    python = None  # Android has none
    remark = " in the adb shell, which is scheduled differently from an app"

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
        words = self.run(_CONTACT, timeout_s=_CONTACT_S).stdout.split()
        if b"sha256sum" not in words:
            raise TargetError(
                f"{text} runs Android 7 or older (it lacks sha256sum); edgekit needs Android 8 (2017) or newer."
            )
        self.bounded = b"bounded" in words

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
        """One `adb push` per file: adbd creates missing folders, so a push that outlives us could bring a removed folder back."""
        end = time.monotonic() + timeout_s
        for path, source in files.items():
            argv = ["push", "--", str(source.absolute()), path]
            done = self._call(argv, timeout_s=max(1.0, end - time.monotonic()))
            if done.status:
                raise self._refused(path, done)

    def pull(self, path: str, *, timeout_s: float) -> bytes:
        """Through the shell, which is clean for binary data without a terminal; the size is printed first and checked."""
        script = f'f={shlex.quote(path)}; s=$(wc -c <"$f") && echo $s && cat "$f"'
        done = self._run(script, f"while {path} was fetched", timeout_s=timeout_s)
        size, _, content = done.stdout.partition(b"\n")
        if done.status or not size.isdigit() or len(content) != int(size):
            raise TargetError(f"{path} cannot be read on {self.text}: {last_line(done.stderr)}.")
        return content

    def close(self) -> None:
        """Nothing: the adb server belongs to the user and keeps running."""

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
        """The error for a command that did not finish, from what adb now knows about the device."""
        output = last_line(done.stderr)
        try:
            now = {each.serial: each for each in attached()}
        except TargetError as error:
            return error
        device = now.get(self._serial)
        if device is None:
            return TargetError(f"{self.text} vanished {when} ({output}). Check its cable, then try again.")
        if device.fix is not None:
            return TargetError(f"{self.text} vanished {when} and is {device.state!r} now ({output}): {device.fix}.")
        return TargetError(
            f"{self.text} vanished {when} and is there again ({output}). Check its cable, then try again."
        )

    def _refused(self, path: str, done: Completed) -> TargetError:
        output = (done.stderr + done.stdout).decode(errors="replace")
        errors = [
            line for line in output.splitlines() if "error" in line
        ]  # adb still reports what it has pushed after them
        reason = last_line(errors[-1].encode()) if errors else last_line(done.stderr)
        for pattern, message in (
            ("No space left", f"No space left on {self.text} in {self.base}: free some there"),
            ("Read-only file system", f"{self.text} has {path} on a read-only file system: restart it"),
            ("Permission denied|Operation not permitted", f"{self.text} does not let adb write {path}"),
            ("remote |cannot stat|not a directory", f"{self.text} could not store what was sent to {path}"),
        ):
            if re.search(pattern, output):
                return TargetError(f"{message} ({reason}).")
        return self._lost("while files were sent to it", done)


def connect(address: Address) -> Adb:
    """The device adb:SERIAL, or for a plain adb the only one that is attached. ANDROID_SERIAL is ignored.

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
            hint = f" If it is on the network: `adb connect {address.serial}`." if ":" in address.serial else ""
            raise TargetError(f"No Android device {address.serial!r} is attached; attached: {listed}.{hint}")
        device = named[0]
    if device.fix is not None and device.state != "odd serial number":
        raise TargetError(f"The Android device {device.serial} is not ready ({device.state}): {device.fix}.")
    return Adb(address.text, device.serial)


def _stream(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
