"""Which runtime a device's Python can load: the wheels that PyPI has."""

from __future__ import annotations

import pytest

from edgekit.bench.setup import Choice, Interpreter, choose
from edgekit.errors import TargetError


def interpreter(machine: str, bits: int, version: tuple[int, int], glibc: tuple[int, int] | None) -> Interpreter:
    return Interpreter(version=version, machine=machine, bits=bits, glibc=glibc, path="/usr/bin/python3")


@pytest.mark.parametrize(
    ("machine", "bits", "version", "glibc", "requirement", "architecture", "system_numpy"),
    [
        ("aarch64", 64, (3, 11), (2, 36), "ai-edge-litert>=2.3,<2.4", "aarch64", False),
        ("aarch64", 64, (3, 13), (2, 41), "ai-edge-litert>=2.3,<2.4", "aarch64", False),
        ("x86_64", 64, (3, 10), (2, 31), "ai-edge-litert>=2.3,<2.4", "x86_64", False),
        # Debian 11, whose glibc the wheel's tag promises and whose libc lacks what it needs.
        ("aarch64", 64, (3, 9), (2, 31), "tflite-runtime==2.13.0", "aarch64", False),
        ("aarch64", 64, (3, 9), (2, 34), "tflite-runtime==2.14.0", "aarch64", False),
        ("armv7l", 32, (3, 11), (2, 36), "tflite-runtime==2.14.0", "armv7l", True),
        # A 32-bit system on a 64-bit kernel.
        ("aarch64", 32, (3, 11), (2, 36), "tflite-runtime==2.14.0", "armv7l", True),
        ("armv7l", 32, (3, 9), (2, 31), "tflite-runtime==2.13.0", "armv7l", True),
    ],
)
def test_the_newest_that_fits_is_chosen(machine, bits, version, glibc, requirement, architecture, system_numpy):
    numpy = () if system_numpy else (("numpy<2",) if requirement.startswith("tflite") else ("numpy",))
    assert choose(interpreter(machine, bits, version, glibc), "ssh://pi") == Choice(
        requirements=(requirement, *numpy), architecture=architecture, system_numpy=system_numpy
    )


@pytest.mark.parametrize(
    ("machine", "bits", "version", "glibc", "message"),
    [
        ("aarch64", 64, (3, 11), (2, 31), r"has Python 3\.11 \(64-bit aarch64\) and glibc 2\.31.*needs .* glibc 2\.34"),
        ("armv7l", 32, (3, 13), (2, 41), r"32-bit ARM, needs Python 3\.9 to 3\.11"),
        ("armv6l", 32, (3, 11), (2, 36), "runtimes on PyPI are for aarch64, armv7l and x86_64"),
        ("riscv64", 64, (3, 13), (2, 41), "runtimes on PyPI are for aarch64, armv7l and x86_64"),
        ("x86_64", 64, (3, 9), (2, 36), r"needs Python 3\.10 to 3\.14"),
        ("aarch64", 64, (3, 12), None, "no GNU C library"),
    ],
)
def test_where_nothing_fits_it_is_said_why(machine, bits, version, glibc, message):
    with pytest.raises(TargetError, match=message):
        choose(interpreter(machine, bits, version, glibc), "ssh://pi")
