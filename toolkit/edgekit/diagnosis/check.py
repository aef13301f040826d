"""The result of one check of the installation, and commands to show to the user."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "absent", "warning", "problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One result. fix: the command that fixes it, None if there is nothing to fix.

    state: problem = a build cannot work; warning = part of edgekit cannot, or a build may not; absent = optional and missing.
    """

    name: str
    state: State
    told: str
    fix: str | None = None


def pip(*requirements: str) -> str:
    """The command that installs `requirements` for the Python in use."""
    return shlex.join([sys.executable, "-m", "pip", "install", *requirements])


_INSTALLERS = {
    "debian": "sudo apt-get install", "ubuntu": "sudo apt-get install", "fedora": "sudo dnf install",
    "rhel": "sudo dnf install", "arch": "sudo pacman -S", "suse": "sudo zypper install", "alpine": "sudo apk add",
}  # fmt: skip


def system_package(names: Mapping[str, str]) -> str:
    """The command that installs a package of the operating system.

    Args:
        names: package name by family ("debian", "fedora", ..., "darwin"); "" = in all others.
    """
    if sys.platform == "darwin":
        return f"brew install {names.get('darwin', names[''])}"
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    families = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    family = next((name for name in families if name in _INSTALLERS), None)
    if family is None:
        return f"install the package {names['']} of your system"
    return f"{_INSTALLERS[family]} {names.get('debian' if family == 'ubuntu' else family, names[''])}"
