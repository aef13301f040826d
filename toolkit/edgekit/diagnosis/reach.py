"""What can be measured on from here: adb, ssh and the targets of targets.yaml; with `deep`, whether each answers."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgekit.diagnosis.check import Check, system_package
from edgekit.errors import EdgekitError

_ADB = {"": "android-tools", "debian": "adb", "darwin": "--cask android-platform-tools"}
_SSH = {"": "openssh", "debian": "openssh-client", "fedora": "openssh-clients", "rhel": "openssh-clients"}


def checks(*, deep: bool = False) -> list[Check]:
    """All of them; `deep` connects to each target, which takes seconds."""
    return [_program("adb", "Android devices", _ADB), _program("ssh", "Linux devices", _SSH), *_targets(deep=deep)]


def _program(name: str, what: str, packages: dict[str, str]) -> Check:
    found = shutil.which(name)
    if found:
        return Check(name=name, state="ok", told=found)
    told = f"not installed: {what} cannot be measured on"
    return Check(name=name, state="absent", told=told, fix=system_package(packages))


def _targets(*, deep: bool) -> Iterator[Check]:
    import platformdirs

    # As edgekit.bench.named has it, whose import costs more than all checks here.
    file = Path(platformdirs.user_config_dir("edgekit", appauthor=False)) / "targets.yaml"
    if file.exists():
        from edgekit.bench import named

        try:
            known = named.configured()
        except EdgekitError as error:
            fix = f"${{EDITOR:-vi}} {shlex.quote(str(file))}"
            yield Check(name="targets", state="warning", told=str(error), fix=fix)
            return
        told = ", ".join(f"{name} ({entry.target})" for name, entry in known.items()) or "none"
        yield Check(name="targets", state="ok", told=f"{file}: {told}")
    else:
        yield Check(
            name="targets", state="ok", told=f"none of your own (no {file}); --target ssh://user@host needs no entry"
        )
    if deep:
        from edgekit.bench import devices

        for device in devices.devices():
            ready = device.state == "ready"
            yield Check(name=device.target, state="ok" if ready else "warning", told=device.state, fix=device.fix)
