"""The Kotlin compiler, from Maven Central: one release, pinned by digests, fetched once. Debian's is of 2018."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
from tests.once import kept

# A mirror of Maven Central; the digests hold for it too.
MAVEN = os.environ.get("EDGEKIT_MAVEN", "https://repo1.maven.org/maven2")
VERSION = "2.1.21"
JARS = {
    f"org/jetbrains/kotlin/kotlin-compiler-embeddable/{VERSION}/kotlin-compiler-embeddable-{VERSION}.jar": (
        "67a2e3673765f097725608cc7c843b0d8fdd94bd9af41327211361614aa57d49"
    ),
    f"org/jetbrains/kotlin/kotlin-stdlib/{VERSION}/kotlin-stdlib-{VERSION}.jar": (
        "263bdc679e1f62012db7b091796279b6d71cf36f4797a98ff1ace05835f201c8"
    ),
    "org/jetbrains/kotlinx/kotlinx-coroutines-core-jvm/1.8.0/kotlinx-coroutines-core-jvm-1.8.0.jar": (
        "9860906a1937490bf5f3b06d2f0e10ef451e65b95b269f22daf68a3d1f5065c5"
    ),
    "org/jetbrains/intellij/deps/trove4j/1.0.20200330/trove4j-1.0.20200330.jar": (
        "c5fd725bffab51846bf3c77db1383c60aaaebfe1b7fe2f00d23fe1b7df0a439d"
    ),
    "org/jetbrains/annotations/13.0/annotations-13.0.jar": (
        "ace2a10dc8e2d5fd34925ecac03e4988b2c0f851650c94b8cef49ba1bd111478"
    ),
}
_QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # a process of seconds


def compiled(sources: list[Path], out: Path) -> None:
    """Compile `sources` into the folder `out`; a warning is no error."""
    done = subprocess.run(
        ["java", *_QUICK, "-cp", _path(*jars()), "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"]
        + ["-no-stdlib", "-no-reflect", "-cp", str(_stdlib()), "-d", str(out), *map(str, sources)],
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr


def run(classes: Path, main: str, *arguments: object) -> None:
    """Run the class `main` of what was compiled."""
    command = ["java", *_QUICK, "-cp", _path(classes, _stdlib()), main, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def needed() -> None:
    """Where there is no JVM, or Maven Central cannot be reached: a failure in CI (EDGEKIT_CI), elsewhere a skip."""
    try:
        if shutil.which("java") is None:
            raise RuntimeError("java is not installed")
        jars()
    except (OSError, RuntimeError) as error:
        (pytest.fail if os.environ.get("EDGEKIT_CI") else pytest.skip)(f"the Kotlin compiler: {error}")


def jars() -> list[Path]:
    """The compiler and its own libraries."""
    return [kept(f"kotlin-{VERSION}", _fill) / Path(name).name for name in JARS]


def _stdlib() -> Path:
    return next(path for path in jars() if path.name.startswith("kotlin-stdlib"))


def _fill(folder: Path) -> None:
    for name, digest in JARS.items():
        with urllib.request.urlopen(f"{MAVEN}/{name}", timeout=300) as answer:
            content = answer.read()
        if hashlib.sha256(content).hexdigest() != digest:
            raise RuntimeError(f"{MAVEN}/{name} is not the file that it was")
        (folder / Path(name).name).write_bytes(content)


def _path(*entries: Path) -> str:
    return os.pathsep.join(map(str, entries))
