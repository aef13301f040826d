"""edgekit's C runner as the tests use it: built for this machine and for 64-bit ARM, with the runtimes that it opens.

The ARM one runs under qemu's user mode, which needs three things that were found by trial: a processor without SME (its default
gives wrong int8 results), the C library of the cross compiler, and an ARM /proc/cpuinfo in the place of this machine's.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest
from tests.conftest import REPOSITORY
from tests.once import kept

import edgekit

SOURCE = Path(edgekit.__file__).parent / "device" / "edgekit_runner.c"
GCC, CROSS_GCC, QEMU = "gcc", "aarch64-linux-gnu-gcc", "qemu-aarch64-static"
DOCS = REPOSITORY / "docs" / "devices.md"
_STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
_CROSS_LIBRARIES = Path("/usr/aarch64-linux-gnu/lib")
# The only package found that holds TensorFlow Lite's C library, 2.9.0, for both architectures.
_NPM, _NPM_SHA256 = "tfjs-tflite-node@0.0.2", "3be1632328a76a2475e5b6833253763c802c859433becb4d879ee1860e3b5284"
_CPU = (
    "processor\t: {}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n"
    "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n"
)


def missing(*programs: str) -> list[str]:
    """Which of the programs are not installed."""
    return [name for name in programs if shutil.which(name) is None]


def build(compiler: str, folder: Path) -> Path:
    """Compile the runner as docs/devices.md says, with warnings as errors."""
    out = folder / "edgekit_runner"
    (written,) = [words for words in build_lines(DOCS.read_text()) if words[0] == CROSS_GCC]
    places = {CROSS_GCC: compiler, "edgekit_runner": str(out), SOURCE.name: str(SOURCE)}
    argv = [places.get(word, word) for word in written]
    done = subprocess.run([*argv, *_STRICT], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{compiler}: {done.stderr}")
    return out


def build_lines(text: str) -> list[list[str]]:
    """The words of each command line in a text that builds the runner."""
    return [line.lstrip("* ").split() for line in text.splitlines() if f"-o edgekit_runner {SOURCE.name}" in line]


def litert_library() -> Path:
    """libLiteRt.so of the installed ai-edge-litert, for this machine."""
    spec = find_spec("ai_edge_litert")
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "libLiteRt.so"


def litert_library_arm64() -> Path:
    """libLiteRt.so of the same release for 64-bit ARM, with its package's list of files. Downloaded on first use."""
    name = f"ai-edge-litert=={version('ai-edge-litert')}"
    library = "ai_edge_litert/libLiteRt.so"

    def fill(folder: Path) -> None:
        pip = (sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps")
        tags = ["--python-version", "311", "--implementation", "cp", "--abi", "cp311"]
        platforms = ("manylinux2014_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64")
        tags += [word for tag in platforms for word in ("--platform", tag)]
        with tempfile.TemporaryDirectory() as wheels:
            _run(*pip, "--only-binary=:all:", *tags, "-d", wheels, name)
            with zipfile.ZipFile(next(Path(wheels).glob("*.whl"))) as wheel:
                record = next(entry for entry in wheel.namelist() if entry.endswith(".dist-info/RECORD"))
                wheel.extractall(folder, [library, record])

    return kept(name.replace("==", "-"), fill) / library


def tflite_library(machine: str) -> Path:
    """libtensorflowlite_c.so for "amd64" or "arm64". Downloaded on first use; needs npm."""

    def fill(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as packed:
            _run("npm", "pack", "--silent", "--pack-destination", packed, _NPM)
            archive = next(Path(packed).glob("*.tgz")).read_bytes()
        if hashlib.sha256(archive).hexdigest() != _NPM_SHA256:
            raise RuntimeError(f"{_NPM} is not the package that it was")
        with tarfile.open(fileobj=io.BytesIO(archive)) as package:
            for name in ("amd64", "arm64"):
                member = package.extractfile(f"package/cc_deps/linux_{name}/libtensorflowlite_c.so")
                assert member is not None
                (folder / name).mkdir()
                (folder / name / "libtensorflowlite_c.so").write_bytes(member.read())

    return kept("tensorflowlite-c-2.9.0", fill) / machine / "libtensorflowlite_c.so"


def emulated(folder: Path) -> list[str]:
    """The words before a 64-bit ARM program that let it run here. They set what qemu's environment would."""
    (folder / "proc").mkdir(parents=True)
    (folder / "lib").symlink_to(_CROSS_LIBRARIES)
    (folder / "proc" / "cpuinfo").write_text("".join(_CPU.format(core) for core in range(4)))
    return [QEMU, "-cpu", "cortex-a72", "-L", str(folder)]


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{argv[0]} failed: {' '.join(done.stderr.split())[-400:]}")


def unavailable(error: RuntimeError) -> NoReturn:
    """What a test needs is not there: a failure in CI (EDGEKIT_CI), elsewhere a skip with the reason."""
    if os.environ.get("EDGEKIT_CI"):
        pytest.fail(f"the C runner: {error}")
    pytest.skip(f"the C runner: {error}")


@pytest.fixture(scope="session")
def host_runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner for this machine, alone in its folder."""
    return _built(GCC, tmp_path_factory.mktemp("host-runner"))


@pytest.fixture(scope="session")
def arm64_runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner for 64-bit ARM Linux, alone in its folder."""
    return _built(CROSS_GCC, tmp_path_factory.mktemp("arm64-runner"))


def _built(compiler: str, folder: Path) -> Path:
    if absent := missing(compiler):
        unavailable(RuntimeError(f"not installed: {absent[0]}"))
    return build(compiler, folder)
