"""Python and the packages: missing ones, and versions that conflict, by the requirements of the installed packages themselves."""

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
from edgekit.runs.environment import NEEDED

# For development and benchmarks; see CONTRIBUTING.
_NOT_FOR_USERS = ("all", "bench", "dev", "gpu")
# They contain a folder `tensorflow` that overwrites the one of the package we need.
_SAME_FILES = ("tensorflow-cpu", "tf-nightly", "tf-nightly-cpu", "tensorflow-intel", "tensorflow-rocm")


def checks() -> list[Check]:
    """All checks; those that pass are listed for the packages that a build cannot run without."""
    return [_python(), *_needed(), *_setuptools(), *_same_files(), *_legacy_keras(), *_extras()]


def _python() -> Check:
    required = metadata("edgekit")["Requires-Python"] or ""
    version = ".".join(map(str, sys.version_info[:3]))
    if SpecifierSet(required).contains(version, prereleases=True):
        return Check(name="python", state="ok", told=version)
    fix = "python3.12 -m venv edgekit-env && edgekit-env/bin/pip install edgekit"
    return Check(name="python", state="problem", told=f"{version}, but edgekit needs {required}", fix=fix)


def _needed() -> Iterator[Check]:
    """Each package that edgekit or one of its frameworks requires, if its version does not satisfy all of them.

    Requirements of a framework in a wrong version do not count: it must be replaced.
    """
    own = {canonicalize_name(each.name): each.specifier for each in _requirements("edgekit")}
    right = [name for name in NEEDED if _fits(own.get(canonicalize_name(name), SpecifierSet()), _version(name))]
    demands: dict[str, list[tuple[str, SpecifierSet]]] = {}
    for package in ("edgekit", *right):
        for requirement in _requirements(package):
            demands.setdefault(canonicalize_name(requirement.name), []).append((package, requirement.specifier))
    for name, requirements in demands.items():
        installed, wanted = _version(name), SpecifierSet()
        for _, each in requirements:
            wanted &= each
        fix = pip(f"{name}{wanted}")
        if installed is None:
            message = f"not installed, but {_named(requirements[0][0])} needs it"
            yield Check(name=name, state="problem", told=message, fix=fix)
        elif clashing := [(by, each) for by, each in requirements if not _fits(each, installed)]:
            message = " and ".join(f"{_named(by)} needs {name}{each}" for by, each in clashing)
            yield Check(name=name, state="problem", told=f"{installed} conflicts: {message}", fix=fix)
        elif name in NEEDED:
            yield Check(name=name, state="ok", told=installed)


def _fits(wanted: SpecifierSet, installed: str | None) -> bool:
    return installed is not None and wanted.contains(installed, prereleases=True)


def _requirements(package: str, extra: str = "") -> list[Requirement]:
    """What an installed package requires here, without extras or with what `extra` adds; nothing for a missing one."""
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
        message = "not installed, but pruning needs it (tensorflow-model-optimization imports it)"
        yield Check(name="distutils", state="problem", told=message, fix=pip("setuptools"))
    elif sys.version_info >= (3, 12) and os.environ.get("SETUPTOOLS_USE_DISTUTILS") == "stdlib":
        message = "SETUPTOOLS_USE_DISTUTILS=stdlib selects a module that Python 3.12 removed, and pruning needs"
        yield Check(name="distutils", state="problem", told=message, fix="unset SETUPTOOLS_USE_DISTUTILS")


def _same_files() -> Iterator[Check]:
    for name in _SAME_FILES:
        if _version(name) and _version("tensorflow"):
            message = f"{_named(name)} is also installed and overwrites files of tensorflow"
            remove = shlex.join([sys.executable, "-m", "pip", "uninstall", "--yes", name])
            restore = pip("--force-reinstall", "--no-deps", f"tensorflow=={_version('tensorflow')}")
            yield Check(name=name, state="warning", told=message, fix=f"{remove} && {restore}")


def _legacy_keras() -> Iterator[Check]:
    """edgekit.frameworks.backend sets it unless it is set; any other value makes tfmot use Keras 3, which it does not support."""
    if os.environ.get("TF_USE_LEGACY_KERAS", "1").lower() not in ("1", "true"):
        message = (
            "TF_USE_LEGACY_KERAS is set so that tensorflow-model-optimization would use Keras 3 instead of tf-keras"
        )
        yield Check(name="keras", state="problem", told=message, fix="unset TF_USE_LEGACY_KERAS")


def _extras() -> Iterator[Check]:
    """A line for each extra that a user may want."""
    for extra in sorted(set(metadata("edgekit").get_all("Provides-Extra") or ()) - set(_NOT_FOR_USERS)):
        installed: Mapping[str, str | None] = {
            each.name: _version(each.name) for each in _requirements("edgekit", extra)
        }
        missing = [name for name, known in installed.items() if known is None]
        if missing:
            message, fix = f"optional, missing: {', '.join(missing)}", pip(f"edgekit[{extra}]")
            yield Check(name=f"[{extra}]", state="absent", told=message, fix=fix)
        else:
            yield Check(
                name=f"[{extra}]", state="ok", told=", ".join(f"{name} {known}" for name, known in installed.items())
            )
