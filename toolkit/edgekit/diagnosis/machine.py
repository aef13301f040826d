"""The machine: its GPU or why none is used, disk, memory, the cache and the data."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from edgekit.bench import command
from edgekit.diagnosis.check import Check, pip, system_package
from edgekit.errors import TargetError
from edgekit.runs.cache import cache_root

_GPU_S = 15.0
_NVIDIA = "0x10de"
# With less space or memory than this, other programs or the build itself would fail, so the user is warned before.
LEAST_DISK_BYTES = 1024**3
LEAST_MEMORY_BYTES = 2 * 1024**3


def checks() -> list[Check]:
    """All checks."""
    here = Path.cwd()
    return [_gpu(), _disk("disk of runs", here), *_cache(), memory(), *_data()]


def _gpu() -> Check:
    if shutil.which("nvidia-smi") is None:
        return _no_driver()
    try:
        done = command.call(
            ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], timeout_s=_GPU_S
        )
    except TargetError as error:
        return Check(name="gpu", state="warning", told=f"nvidia-smi cannot be run: {error}", fix="nvidia-smi")
    listed = [line.strip() for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
    if done.status or not listed:
        message = f"the NVIDIA driver does not answer ({done.last_line})"
        return Check(name="gpu", state="warning", told=message, fix="sudo modprobe nvidia && nvidia-smi")
    message = "; ".join(listed)
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        message += f", hidden by CUDA_VISIBLE_DEVICES={hidden!r}"
        return Check(name="gpu", state="warning", told=message, fix="unset CUDA_VISIBLE_DEVICES")
    if missing := _missing_cuda():
        message += f", but TensorFlow's CUDA libraries are not installed ({len(missing)} missing, such as {missing[0]})"
        return Check(name="gpu", state="warning", told=message, fix=pip("edgekit[gpu]"))
    return Check(name="gpu", state="ok", told=message)


def _no_driver() -> Check:
    """Without nvidia-smi there is no driver; a card may still be there."""
    cards = [
        path
        for path in Path("/sys/bus/pci/devices").glob("*")
        if _read(path / "vendor") == _NVIDIA and _read(path / "class").startswith("0x03")
    ]
    if cards:
        fix = system_package({"": "nvidia-driver", "fedora": "akmod-nvidia", "arch": "nvidia"})
        return Check(name="gpu", state="warning", told="an NVIDIA card, but no driver for it (no nvidia-smi)", fix=fix)
    return Check(
        name="gpu", state="absent", told="no NVIDIA GPU detected (no nvidia-smi, no card): training uses the CPU"
    )


def _missing_cuda() -> list[str]:
    """The packages of tensorflow[and-cuda] that are not installed."""
    try:
        listed = [Requirement(line) for line in requires("tensorflow") or ()]
    except PackageNotFoundError:
        return []  # reported as a missing package
    wanted = [each.name for each in listed if each.marker and each.marker.evaluate({"extra": "and-cuda"})
              and not each.marker.evaluate({"extra": ""})]  # fmt: skip
    return [name for name in wanted if not _installed(name)]


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _disk(name: str, path: Path) -> Check:
    existing = next(each for each in (path, *path.parents) if each.exists())
    free = shutil.disk_usage(existing).free
    message = f"{path}: {free / 1024**3:.1f} GB free"
    if not os.access(existing, os.W_OK):
        fix = f"sudo chown -R {os.getuid()} {shlex.quote(str(existing))}"
        return Check(name=name, state="warning", told=f"{message}, but it cannot be written to", fix=fix)
    if free < LEAST_DISK_BYTES:
        fix = (
            "edgekit cache clear"
            if (cache_root() / "stages").exists()
            else f"du -xh --max-depth=2 {shlex.quote(str(existing))} | sort -h"
        )
        return Check(name=name, state="warning", told=message, fix=fix)
    return Check(name=name, state="ok", told=message)


def _cache() -> Iterator[Check]:
    yield _disk("cache", cache_root())
    data = cache_root() / "data"
    held = sorted(path.name for path in data.iterdir() if not path.name.startswith(".")) if data.is_dir() else []
    yield Check(
        name="data cache",
        state="ok",
        told=f"{data}: " + (", ".join(held) if held else "empty; data sets are downloaded on first use"),
    )


def memory(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> Check:
    """Free memory, and the limit of the container that this process may be in."""
    import psutil

    usage = psutil.virtual_memory()
    available, total = usage.available, usage.total
    if (text := _read(limit)).isdigit() and int(text) < total:
        total = int(text)
        used = _read(limit.with_name("memory.current"))
        available = min(available, max(0, total - int(used))) if used.isdigit() else min(available, total)
    message = f"{available / 1024**3:.1f} of {total / 1024**3:.1f} GB free"
    if available < LEAST_MEMORY_BYTES:
        return Check(name="memory", state="warning", told=message, fix="ps -eo rss,pid,args --sort=-rss | head")
    return Check(name="memory", state="ok", told=message)


def _data() -> Iterator[Check]:
    folder = os.environ.get("EDGEKIT_DATA")
    if not folder:
        yield Check(
            name="EDGEKIT_DATA", state="ok", told="not set: named data sets are taken from the cache or downloaded"
        )
    elif not Path(folder).is_dir():
        message = f"{folder} is not a folder, so no data is found there"
        yield Check(name="EDGEKIT_DATA", state="warning", told=message, fix=f"mkdir -p {shlex.quote(folder)}")
    elif not os.access(folder, os.R_OK | os.X_OK):
        fix = f"sudo chmod -R a+rX {shlex.quote(folder)}"
        yield Check(name="EDGEKIT_DATA", state="warning", told=f"{folder} cannot be read", fix=fix)
    else:
        yield Check(name="EDGEKIT_DATA", state="ok", told=folder)
