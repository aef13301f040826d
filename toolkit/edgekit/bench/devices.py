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
from edgekit.bench.target import Endpoint
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A target and its state. state: "ready", or what is wrong; fix: what to do about it.

    facts: see edgekit.bench.facts.parse; empty if it was not reached. runtimes: package -> version, Python's own as "python".
    """

    target: str
    state: str
    fix: str | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    runtimes: Mapping[str, str] = field(default_factory=dict)


def devices() -> list[Device]:
    """All of them, looked at side by side; one that does not answer is listed with the reason."""
    listed = named.discovered()
    with ThreadPoolExecutor(8) as pool:
        reached = list(pool.map(_look, named.attached(listed)))
    return reached + [Device(target=each.text, state=each.state, fix=each.fix) for each in listed if each.fix]


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
    state, fix = endpoint.target.readiness(endpoint, about, runtimes)
    return Device(target=endpoint.text, state=state, fix=fix, facts=about, runtimes=runtimes)


def looked_for() -> Sequence[str]:
    """What `devices` looks for, in case something is missing from the list."""
    places = [kind.looked_for() for kind in named.kinds()]
    return [f"targets named in {named.path()} ({len(named.configured())})", *filter(None, places)]
