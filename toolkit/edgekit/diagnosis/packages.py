"""Python and the packages: what is missing, and versions that clash, by what the installed packages themselves ask for."""

from __future__ import annotations

import importlib.util
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from edgekit.diagnosis.check import Check, pip
from edgekit.environment import NEEDED

# For development and benchmarks; whoever needs them reads CONTRIBUTING.
_NOT_FOR_USERS = ("all", "bench", "dev", "gpu")
# They bring a folder `tensorflow` of their own, which overwrites that of the package we need.
_SAME_FILES = ("tensorflow-cpu", "tf-nightly", "tf-nightly-cpu", "tensorflow-intel", "tensorflow-rocm")


def checks() -> list[Check]:
    """All of them; what is fine is listed for the packages that a build cannot do without."""
    return [_python(), *_needed(), *_setuptools(), *_same_files(), *_legacy_keras(), *_extras()]


def _python() -> Check:
    asked = metadata("edgekit")["Requires-Python"] or ""
    found = ".".join(map(str, sys.version_info[:3]))
    if SpecifierSet(asked).contains(found, prereleases=True):
        return Check(name="python", state="ok", told=found)
    fix = "python3.12 -m venv edgekit-env && edgekit-env/bin/pip install edgekit"
    return Check(name="python", state="problem", told=f"{found}, but edgekit needs {asked}", fix=fix)


def _needed() -> Iterator[Check]:
    """Each package that edgekit or one of its frameworks requires, if its version is not one that all of them take.

    What a framework of a wrong version requires does not count: it is to be replaced.
    """
    own = {canonicalize_name(each.name): each.specifier for each in _requirements("edgekit")}
    right = [name for name in NEEDED if _fits(own.get(canonicalize_name(name), SpecifierSet()), _version(name))]
    demands: dict[str, list[tuple[str, SpecifierSet]]] = {}
    for package in ("edgekit", *right):
        for requirement in _requirements(package):
            demands.setdefault(canonicalize_name(requirement.name), []).append((package, requirement.specifier))
    for name, asked in demands.items():
        found, wanted = _version(name), SpecifierSet()
        for _, each in asked:
            wanted &= each
        fix = pip(f"{name}{wanted}")
        if found is None:
            told = f"not installed, but {_named(asked[0][0])} needs it"
            yield Check(name=name, state="problem", told=told, fix=fix)
        elif clashing := [(by, each) for by, each in asked if not _fits(each, found)]:
            told = " and ".join(f"{_named(by)} needs {name}{each}" for by, each in clashing)
            yield Check(name=name, state="problem", told=f"{found} clashes: {told}", fix=fix)
        elif name in NEEDED:
            yield Check(name=name, state="ok", told=found)


def _fits(wanted: SpecifierSet, found: str | None) -> bool:
    return found is not None and wanted.contains(found, prereleases=True)


def _requirements(package: str, extra: str = "") -> list[Requirement]:
    """What an installed package requires here, without extras or with what `extra` adds; nothing of one that is not there."""
    try:
        listed = [Requirement(line) for line in requires(package) or ()]
    except PackageNotFoundError:
        return []
    plain = [each for each in listed if each.marker is None or each.marker.evaluate({"extra": ""})]
    if not extra:
        return plain
    return [each for each in listed if each not in plain and each.marker and each.marker.evaluate({"extra": extra})]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _named(package: str) -> str:
    return f"{package} {_version(package) or ''}".strip()


def _setuptools() -> Iterator[Check]:
    if importlib.util.find_spec("distutils") is None:
        told = "not there, but pruning needs it (tensorflow-model-optimization imports it)"
        yield Check(name="distutils", state="problem", told=told, fix=pip("setuptools"))
    elif sys.version_info >= (3, 12) and os.environ.get("SETUPTOOLS_USE_DISTUTILS") == "stdlib":
        told = "SETUPTOOLS_USE_DISTUTILS=stdlib asks for what Python 3.12 took out, and pruning needs"
        yield Check(name="distutils", state="problem", told=told, fix="unset SETUPTOOLS_USE_DISTUTILS")


def _same_files() -> Iterator[Check]:
    for name in _SAME_FILES:
        if _version(name) and _version("tensorflow"):
            told = f"{_named(name)} is installed too and overwrites files of tensorflow"
            remove = shlex.join([sys.executable, "-m", "pip", "uninstall", "--yes", name])
            restore = pip("--force-reinstall", "--no-deps", f"tensorflow=={_version('tensorflow')}")
            yield Check(name=name, state="warning", told=told, fix=f"{remove} && {restore}")


def _legacy_keras() -> Iterator[Check]:
    """edgekit.backend sets it unless it is set; with another value tfmot meets Keras 3, which it does not know."""
    if os.environ.get("TF_USE_LEGACY_KERAS", "1").lower() not in ("1", "true"):
        told = (
            "TF_USE_LEGACY_KERAS is set so that tensorflow-model-optimization would meet Keras 3 in place of tf-keras"
        )
        yield Check(name="keras", state="problem", told=told, fix="unset TF_USE_LEGACY_KERAS")


def _extras() -> Iterator[Check]:
    """A line for each extra that a user may want."""
    for extra in sorted(set(metadata("edgekit").get_all("Provides-Extra") or ()) - set(_NOT_FOR_USERS)):
        found: Mapping[str, str | None] = {each.name: _version(each.name) for each in _requirements("edgekit", extra)}
        missing = [name for name, known in found.items() if known is None]
        if missing:
            told, fix = f"optional, lacks {', '.join(missing)}", pip(f"edgekit[{extra}]")
            yield Check(name=f"[{extra}]", state="absent", told=told, fix=fix)
        else:
            yield Check(
                name=f"[{extra}]", state="ok", told=", ".join(f"{name} {known}" for name, known in found.items())
            )
