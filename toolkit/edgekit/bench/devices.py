"""What is attached: this machine, the targets of targets.yaml, Android devices; what each is, has and lacks."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from edgekit.bench import facts, named
from edgekit.bench.command import plain
from edgekit.bench.named import Endpoint
from edgekit.bench.targets import adb
from edgekit.bench.transport import Transport
from edgekit.errors import TargetError

_PROBE_S = 60.0
_MARK = "edgekit-python"
# What a device's Python has, without importing it, which takes seconds on a small one.
_RUNTIMES = f"""
import importlib.metadata as metadata, importlib.util, sys
print("{_MARK} python", sys.version.split()[0])
for module, name in (("ai_edge_litert", "ai-edge-litert"), ("tflite_runtime", "tflite-runtime"), ("tensorflow", "tensorflow"),
                     ("numpy", "numpy"), ("onnxruntime", "onnxruntime")):
    if importlib.util.find_spec(module):
        try:
            print("{_MARK}", name, metadata.version(name))
        except metadata.PackageNotFoundError:
            print("{_MARK}", name, "of unknown version")
"""
_LITE = ("ai-edge-litert", "tflite-runtime", "tensorflow")
# The wheels of ai-edge-litert for aarch64 say manylinux_2_27, but what is in them asks for this.
_GLIBC = (2, 34)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A target and what was found. state: "ready", or what stands in the way; fix: what to do about it.

    facts: see edgekit.bench.facts.parse; empty if it was not reached. runtimes: package -> version, Python's own as "python".
    """

    target: str
    state: str
    fix: str | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    runtimes: Mapping[str, str] = field(default_factory=dict)


def devices() -> list[Device]:
    """All of them, looked at side by side; one that does not answer is listed with the reason."""
    listed: list[adb.Attached] = []
    with contextlib.suppress(TargetError):  # of an adb that is broken, which is then an endpoint that cannot be reached
        listed = adb.attached() if adb.installed() else []
    endpoints = named.attached()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(_look, endpoints))
    found += [
        Device(target=f"adb:{each.serial}", state=each.state, fix=each.fix) for each in listed if each.state != "device"
    ]
    return found


def _look(endpoint: Endpoint) -> Device:
    try:
        transport = endpoint.connect()
    except TargetError as error:
        return Device(target=endpoint.text, state="not reached", fix=str(error))
    try:
        return _described(endpoint, transport)
    except TargetError as error:
        return Device(target=endpoint.text, state="failed", fix=str(error))
    finally:
        with contextlib.suppress(TargetError):
            transport.close()


def _described(endpoint: Endpoint, transport: Transport) -> Device:
    script = facts.SCRIPT.read_text().removesuffix("exit 0\n")
    if transport.python:
        script += f"\n{shlex.quote(transport.python)} -c {shlex.quote(_RUNTIMES)} 2>/dev/null\n"
    text = transport.run(f"{script}\nexit 0", timeout_s=_PROBE_S).stdout.decode(errors="replace")
    lines = [plain(line) for line in text.splitlines() if line.startswith(f"{_MARK} ")]
    runtimes = {line.split()[1]: " ".join(line.split()[2:]) for line in lines}
    about = facts.parse(text)
    state, fix = _readiness(endpoint, about, runtimes)
    return Device(target=endpoint.text, state=state, fix=fix, facts=about, runtimes=runtimes)


def _readiness(endpoint: Endpoint, about: Mapping[str, Any], runtimes: Mapping[str, str]) -> tuple[str, str | None]:
    native = endpoint.named.runner if endpoint.named else None
    if endpoint.address.kind == "adb" or native:
        if native:
            return "ready", None
        return (
            "no runner",
            "edgekit bench ... --runner PATH of benchmark_model or of edgekit's C runner (docs/devices.md)",
        )
    if "python" not in runtimes:
        return "no Python", "install python3 there, or give a native runner with --runner (docs/devices.md)"
    if not any(name in runtimes for name in _LITE) or "numpy" not in runtimes:
        return "no runtime", _install(endpoint)
    glibc = about["glibc"]
    if about["machine"] == "aarch64" and "ai-edge-litert" in runtimes and glibc and _version(glibc) < _GLIBC:
        return "glibc too old", (
            f"ai-edge-litert needs glibc 2.34 and it has {glibc}: a newer system, or {_install(endpoint)}"
        )
    return "ready", None


def _install(endpoint: Endpoint) -> str:
    if endpoint.named and endpoint.named.python:
        python = endpoint.named.python
        return f"install ai-edge-litert (or tflite-runtime) and numpy into {python} there, or drop `python` in targets.yaml"
    return f"edgekit setup-device {endpoint.text}"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def looked_for() -> Sequence[str]:
    """What `devices` looks for, for a list that is short."""
    return (
        f"targets named in {named.path()} ({len(named.configured())})",
        "Android devices by adb"
        if adb.installed()
        else "no Android devices, since adb is not installed (Debian: apt install adb)",
    )
