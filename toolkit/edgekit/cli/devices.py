"""edgekit devices: what is attached, what it is, and what prevents measuring on it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from edgekit.cli import options as o

if TYPE_CHECKING:
    from edgekit.bench.devices import Device


def devices(as_json: o.Json = False) -> None:
    """List this machine, the targets in targets.yaml and Android devices, with what each has and what it lacks."""
    from edgekit.bench import devices as attached

    found = attached.devices()
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(device) for device in found], indent=2))
        return
    for device in found:
        for line in _lines(device):
            typer.echo(line)
    typer.echo(f"Looked for: {'; '.join(attached.looked_for())}. Others: --target ssh://[user@]host[:port].")


def _lines(device: Device) -> Iterator[str]:
    about = device.facts
    yield f"{device.target}  {device.state}"
    if device.fix:
        yield f"  fix: {device.fix}"
    if not about:
        return
    yield f"  {', '.join(filter(None, (about['model'], about['soc'], about['cpu']))) or 'unknown model'}"
    memory = f"{about['memory_bytes'] / 1024**3:.1f} GB" if about["memory_bytes"] else "memory unknown"
    abi = about["abi"] or about["machine"]
    yield f"  {about['cores'] or '?'} cores{_clocks(device)}, {memory}, {abi}, {about['os'] or about['kernel']}"
    if device.runtimes:
        yield "  " + ", ".join(f"{name} {version}" for name, version in device.runtimes.items())
    if about["emulated"]:
        yield f"  emulated ({about['emulated']}): its latencies are meaningless"


def _clocks(device: Device) -> str:
    """ " (4 of 1.80 GHz, 4 of 2.42 GHz)" if cpufreq reports it."""
    highest = [khz for khz in device.facts["max_khz"].values() if khz]
    kinds = [f"{highest.count(khz)} of {khz / 1e6:.2f} GHz" for khz in sorted(set(highest))]
    return f" ({', '.join(kinds)})" if kinds else ""
