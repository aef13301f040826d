"""`python -m tests.wheel [VERSION...]`: a small build from the wheel, not from the checkout, on each Python that no test runs on.

Builds the sdist, and from it the wheel. On each Python, installs the wheel by constraints.txt into a virtual environment and
runs one build with the `edgekit` command in an empty folder; on the first one, does so with the sdist too. The environments
are kept below ~/.cache/edgekit-tests until what they hold changes, because TensorFlow takes minutes to install.

Without VERSION: those of VERSIONS that are here, as `python3.X` or under pyenv. A VERSION that is not here is an error.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

VERSIONS = ("3.10", "3.12", "3.13")
BUILD = shlex.split(
    "build --curate random --budget 0.1 --student conv8 --epochs 1 --quantize int8"
    " --set teacher.epochs=1 --set accept_chance=true --target host --out run"
)
REPOSITORY = Path(__file__).resolve().parents[1]
KEPT = Path.home() / ".cache" / "edgekit-tests" / "wheel"
PIP = shlex.split("-m pip --quiet --disable-pip-version-check")
INSTALL = [*PIP, "install", "--no-cache-dir", "--no-compile"]
FACTS = """
import edgekit, json, platform
from importlib.metadata import version
names = ("tensorflow", "keras", "numpy")
print(json.dumps([edgekit.__file__, ", ".join([platform.python_version(), *(f"{name} {version(name)}" for name in names)])]))
"""


class Failed(Exception):
    """What is wrong, in a line or more."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], prog="python -m tests.wheel")
    parser.add_argument(
        "version", nargs="*", help=f"e.g. 3.12; by default those of {', '.join(VERSIONS)} that are here"
    )
    asked = parser.parse_args().version
    found = {version: interpreter(version) for version in asked or VERSIONS}
    for version in (version for version, python in found.items() if python is None):
        print(f"Python {version}: not here", flush=True)
    pythons = {version: python for version, python in found.items() if python is not None}
    if not pythons:
        return 1
    failed = bool(asked) and len(pythons) < len(found)
    with tempfile.TemporaryDirectory(prefix="edgekit-wheel-") as folder:
        sdist, wheel = distributions(Path(folder))
        for number, (version, python) in enumerate(pythons.items()):
            for package in (wheel, sdist) if number == 0 else (wheel,):
                try:
                    print(f"{package.name}: Python", checked(package, python, kept(version, wheel)), flush=True)
                except Failed as error:
                    print(f"{package.name}: Python {version}: FAILED: {error}", flush=True)
                    failed = True
    return int(failed)


def interpreter(version: str) -> Path | None:
    """The Python of that version: on PATH, or one of pyenv, whose shims on PATH may not start."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in (shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"))):
        if (
            candidate
            and subprocess.run([candidate, "-c", code], capture_output=True, text=True).stdout.strip() == version
        ):
            return Path(candidate)
    return None


def distributions(folder: Path) -> tuple[Path, Path]:
    """The sdist, and the wheel that was built from it, which holds every file of the package.

    Raises:
        Failed: it lacks one.
    """
    python = environment(Path(sys.executable), folder / "builder")
    run([python, *INSTALL, "build>=1.2"])
    run([python, "-m", "build", "--outdir", folder / "dist", REPOSITORY], folder)
    (sdist,), (wheel,) = (folder / "dist").glob("*.tar.gz"), (folder / "dist").glob("*.whl")
    toolkit = REPOSITORY / "toolkit"
    sources = {path for path in toolkit.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    if lacking := {path.relative_to(toolkit).as_posix() for path in sources} - set(zipfile.ZipFile(wheel).namelist()):
        raise Failed(f"the wheel lacks {', '.join(sorted(lacking))}")
    return sdist, wheel


def kept(version: str, wheel: Path) -> Path:
    """The folder of the environment for what the wheel requires; those for what it required before are removed."""
    metadata = next(name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".dist-info/METADATA"))
    lines = zipfile.ZipFile(wheel).read(metadata).splitlines()
    requires = b"".join(line for line in lines if line.startswith(b"Requires-Dist:") and b"extra ==" not in line)
    digest = hashlib.sha256(requires + (REPOSITORY / "constraints.txt").read_bytes()).hexdigest()
    folder = KEPT / f"{version}-{digest[:12]}"
    for outdated in set(KEPT.glob(f"{version}-*")) - {folder}:
        shutil.rmtree(outdated)
    return folder


def checked(package: Path, python: Path, folder: Path) -> str:
    """The versions, seconds and bytes of a build from `package`, a wheel or an sdist, in the environment in `folder`.

    Raises:
        Failed: it cannot be installed, is not what is imported, or does not build.
    """
    begun = time.monotonic()
    inside = environment(python, folder)
    # pip would keep the package of the run before, which has the same version.
    run([inside, *PIP, "uninstall", "--yes", "edgekit"])
    run([inside, *INSTALL, "--constraint", REPOSITORY / "constraints.txt", package])
    installed = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgekit-wheel-") as empty:
        imported, versions = json.loads(run([inside, "-I", "-c", FACTS], Path(empty)))
        if not Path(imported).is_relative_to(folder) or "site-packages" not in Path(imported).parts:
            raise Failed(f"{imported} was imported, which is not in site-packages of {folder}")
        run([inside.with_name("edgekit"), *BUILD], Path(empty))
        model = Path(empty) / "run" / "artifacts" / "model_int8.tflite"
        if not model.is_file():
            raise Failed(f"edgekit {' '.join(BUILD)} wrote no {model.name}")
        size = model.stat().st_size
    seconds = f"installed in {installed - begun:.0f} s, built in {time.monotonic() - installed:.0f} s"
    return f"{versions}; {seconds}; {model.name} of {size:,} bytes"


def environment(python: Path, folder: Path) -> Path:
    """The Python of a virtual environment in that folder, which is made if it is not there."""
    inside = folder / "bin" / "python"
    if not inside.exists() or not (folder / "bin" / "pip").exists():
        run([python, "-m", "venv", "--clear", folder])
    return inside


def run(command: list[str | Path], folder: Path | None = None) -> str:
    """What a command printed, run in `folder`, without what this process's environment says of Python and edgekit.

    Raises:
        Failed: it did not end well, or not within an hour.
    """
    hidden = ("PYTHON", "EDGEKIT_", "VIRTUAL_ENV")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    if folder:  # an empty stage cache: nothing is taken over from other builds
        variables["XDG_CACHE_HOME"] = str(folder / "cache")
    try:
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=3600)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(map(str, command))} takes more than an hour") from None
    if done.returncode:
        raise Failed(
            f"{' '.join(map(str, command))} ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done.stdout


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as error:
        sys.exit(str(error))
