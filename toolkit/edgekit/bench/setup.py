"""Installs the runtime on a Linux device, in its own venv. Wheels are chosen and fetched here: no pip or network needed there.

The new venv is created beside the old one and replaces it only after the runtime could be imported from it.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgekit.bench import command
from edgekit.bench.transport import Transport
from edgekit.bench.workspace import Workspace, workspace
from edgekit.errors import TargetError
from edgekit.types import Reporter

VENV = ".local/share/edgekit/venv"  # in the home folder there
_PROBE_S, _FETCH_S, _INSTALL_S = 60.0, 900.0, 600.0

# Facts from the interpreter itself: a 32-bit Raspberry Pi OS runs a 64-bit kernel, whose `uname -m` says aarch64.
_PROBE = """
import json, os, platform, shutil, struct, sys
def has(name):
    try:
        module = __import__(name)
        for part in name.split(".")[1:]:
            module = getattr(module, part)
        return str(getattr(module, "__version__", "unknown"))
    except Exception:
        return None
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION")
except (AttributeError, ValueError, OSError):
    libc = None
runtime = has("ai_edge_litert.interpreter") or has("tflite_runtime.interpreter")
print("EDGEKIT-PYTHON=" + json.dumps({"version": list(sys.version_info[:2]), "machine": platform.machine(),
    "bits": 8 * struct.calcsize("P"), "libc": libc, "base": getattr(sys, "_base_executable", None) or sys.executable,
    "runtime": bool(runtime), "numpy": has("numpy"), "free": shutil.disk_usage(os.path.expanduser("~")).free}))
"""

_CHECK = """
from importlib.metadata import version
import numpy
try:
    import ai_edge_litert.interpreter
    name = "ai-edge-litert"
except ModuleNotFoundError:
    import tflite_runtime.interpreter
    name = "tflite-runtime"
print("EDGEKIT-INSTALLED=" + name + " " + version(name) + ", numpy " + version("numpy"))
"""

# $1: the interpreter, $2: an option of venv or empty, $3: the check. Runs in the workspace.
_INSTALL = f"""
set -e
v=$HOME/{VENV}
new=$v.new
mkdir -p "${{v%/*}}"
rm -rf "$new"
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM
"$1" -m venv --without-pip $2 "$new"
site=$("$new/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$new/bin/python" -m tarfile -e site.tar.gz "$site"
"$new/bin/python" -c "$3"
rm -rf "$v.old"
[ ! -e "$v" ] || mv "$v" "$v.old"
mv "$new" "$v"
rm -rf "$v.old"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A device's Python. version: (3, 11). machine: as `uname -m`. bits: of a pointer. glibc: (2, 36), None = another C library.

    path: the interpreter outside of any venv. runtime: whether LiteRT or TensorFlow Lite can be imported. numpy: version or None.
    free_bytes: of the home folder's disk.
    """

    version: tuple[int, int]
    machine: str
    bits: int
    glibc: tuple[int, int] | None
    path: str
    runtime: bool = False
    numpy: str | None = None
    free_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is installed: pip requirements, pip's name of the architecture, and whether numpy is the device's own."""

    requirements: tuple[str, ...]
    architecture: str
    system_numpy: bool = False


def choose(device: Interpreter, text: str) -> Choice:
    """The newest runtime that this Python can load.

    ai-edge-litert 2.3 has wheels for 64-bit processors; those for aarch64 are tagged for glibc 2.27 but need 2.34. tflite-runtime
    ends with 2.14 (glibc 2.34) and Python 3.11; 2.13 is its last one for an older glibc.

    Raises:
        TargetError: nothing on PyPI fits; the message says what is needed.
    """
    python = ".".join(map(str, device.version))
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(device.machine.lower(), device.machine)
    if device.bits == 32 and machine in ("aarch64", "armv8l"):
        machine = "armv7l"
    if device.glibc is None:
        raise TargetError(
            f"{text} has no GNU C library; the runtimes on PyPI need one. Use a native runner (bench --runner)."
        )
    glibc = ".".join(map(str, device.glibc))
    device_text = f"{text} has Python {python} ({device.bits}-bit {machine}) and glibc {glibc}"
    least = {"aarch64": (2, 34), "x86_64": (2, 27)}.get(machine)
    if least and device.bits == 64 and device.glibc >= least and (3, 10) <= device.version <= (3, 14):
        return Choice(requirements=("ai-edge-litert>=2.3,<2.4", "numpy"), architecture=machine)
    if machine in ("aarch64", "armv7l"):
        # PyPI has no numpy for 32-bit ARM; Debian has.
        numpy = ("numpy<2",) if machine == "aarch64" else ()
        if device.glibc >= (2, 34) and (3, 9) <= device.version <= (3, 11):
            return Choice(requirements=("tflite-runtime==2.14.0", *numpy), architecture=machine, system_numpy=not numpy)
        if device.glibc >= (2, 17) and (3, 9) <= device.version <= (3, 10):
            return Choice(requirements=("tflite-runtime==2.13.0", *numpy), architecture=machine, system_numpy=not numpy)
    wants = {
        "aarch64": "ai-edge-litert needs Python 3.10 to 3.14 and glibc 2.34 (Raspberry Pi OS or Debian 12, Ubuntu 22.04)",
        "x86_64": "ai-edge-litert needs Python 3.10 to 3.14 and glibc 2.27",
        "armv7l": "tflite-runtime, the last one for 32-bit ARM, needs Python 3.9 to 3.11 (Raspberry Pi OS 12; or a 64-bit one)",
    }.get(machine, "the runtimes on PyPI are for aarch64, armv7l and x86_64")
    raise TargetError(
        f"{device_text}: no runtime on PyPI fits. {wants[0].upper()}{wants[1:]}; or use a native runner (bench --runner)."
    )


def install(transport: Transport, reporter: Reporter, *, force: bool = False) -> str:
    """Install a runtime for the target's Python in ~/.local/share/edgekit/venv there.

    Args:
        force: install even if the interpreter that would be used can import a runtime.

    Returns:
        The names and versions, such as "ai-edge-litert 2.3.0, numpy 2.4.6"; "" = there was one already, and nothing was done.

    Raises:
        TargetError: no Python, none that fits, no wheels, no space, or the runtime cannot be imported there.
    """
    if transport.python is None:
        raise TargetError(
            f"{transport.text} has no Python: `sudo apt install python3 python3-venv` there, or use bench --runner."
        )
    with workspace(transport) as space:
        reporter.stage(f"checking {transport.text}")
        device = _probe(space, transport.python)
        if device.runtime and device.numpy and not force:
            return ""
        choice = choose(device, transport.text)
        if choice.system_numpy and (device.numpy is None or int(device.numpy.partition(".")[0]) > 1):
            raise TargetError(
                f"{choice.requirements[0]} needs numpy 1 on {transport.text}, found {device.numpy or 'none'}; PyPI has "
                "none for 32-bit ARM: `sudo apt install python3-numpy` there."
            )
        with tempfile.TemporaryDirectory(prefix="edgekit-setup-") as folder:
            reporter.stage(f"fetching {', '.join(choice.requirements)} for {choice.architecture}")
            site = Path(folder) / "site"
            _fetch(choice, device, site)
            archive = _packed(site, device.free_bytes, transport.text)
            reporter.stage(f"installing {archive.stat().st_size / 1024**2:.1f} MB in ~/{VENV}")
            return _install(space, archive, choice, device)


def _probe(space: Workspace, python: str) -> Interpreter:
    done = space.run([python, "-c", _PROBE], timeout_s=_PROBE_S)
    match = re.search(r"^EDGEKIT-PYTHON=(.*)$", done.stdout.decode(errors="replace"), re.MULTILINE)
    if done.status or match is None:
        raise TargetError(f"{python} does not run on {space.transport.text}: {done.last_line}.")
    facts = json.loads(match[1])
    libc = re.fullmatch(r"glibc (\d+)\.(\d+).*", facts["libc"] or "")
    return Interpreter(
        version=(facts["version"][0], facts["version"][1]),
        machine=facts["machine"],
        bits=facts["bits"],
        glibc=(int(libc[1]), int(libc[2])) if libc else None,
        path=facts["base"],
        runtime=facts["runtime"],
        numpy=facts["numpy"],
        free_bytes=facts["free"],
    )


def _fetch(choice: Choice, device: Interpreter, site: Path) -> None:
    """Fetch site-packages for the device, with this machine's pip and its settings."""
    major, minor = device.version
    assert device.glibc is not None
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    argv += ["--only-binary=:all:", "--implementation", "cp", "--python-version", f"{major}.{minor}"]
    for abi in (f"cp{major}{minor}", "abi3", "none"):
        argv += ["--abi", abi]
    oldest = 17  # manylinux2014
    for release in range(min(device.glibc[1], 60), oldest - 1, -1):
        argv += ["--platform", f"manylinux_2_{release}_{choice.architecture}"]
    argv += ["--platform", f"manylinux2014_{choice.architecture}"]
    if choice.system_numpy:
        argv.append("--no-deps")
    done = command.call([*argv, "--target", str(site), *choice.requirements], timeout_s=_FETCH_S)
    if done.status:
        raise TargetError(f"pip could not fetch {', '.join(choice.requirements)} here: {done.last_line}.")
    # Half of the size is the WebGPU accelerator, which no CPU uses.
    for path in (*site.glob("ai_edge_litert/libLiteRtWebGpu*"), *site.glob("numpy/**/tests"), site / "bin"):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _packed(site: Path, free_bytes: int, text: str) -> Path:
    """Pack site-packages into one archive beside it."""
    needed = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    # The archive stays beside its unpacked files, and is about half as large.
    if 1.5 * needed > free_bytes:
        needs = f"needs {1.5 * needed / 1024**2:.0f} MB, {free_bytes / 1024**2:.0f} MB are free"
        raise TargetError(f"No space left on {text} for the runtime: it {needs} in the home folder. Free some there.")
    archive = site.with_suffix(".tar.gz")
    with tarfile.open(archive, "w:gz", compresslevel=4) as tar:
        for path in sorted(site.iterdir()):
            tar.add(path, path.name)
    return archive


def _install(space: Workspace, archive: Path, choice: Choice, device: Interpreter) -> str:
    text = space.transport.text
    space.push({archive.name: archive})
    option = "--system-site-packages" if choice.system_numpy else ""
    done = space.run(["sh", "-c", _INSTALL, "sh", device.path, option, _CHECK], timeout_s=_INSTALL_S)
    stderr = done.stderr.decode(errors="replace")
    match = re.search(r"^EDGEKIT-INSTALLED=(.*)$", done.stdout.decode(errors="replace"), re.MULTILINE)
    if done.status == 0 and match:
        return command.plain(match[1])
    if "No space left" in stderr or "Disk quota" in stderr:
        raise TargetError(f"No space left on {text} for the runtime in ~/{VENV}: free some there.")
    if "No module named venv" in stderr or "ensurepip" in stderr:
        raise TargetError(f"Python on {text} cannot create a venv: `sudo apt install python3-venv` there.")
    raise TargetError(f"The runtime could not be installed on {text}: {done.last_line}.")
