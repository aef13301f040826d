"""Which targets can be measured from here: programs they need, and targets.yaml; with `deep`, whether each responds."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgekit import registry
from edgekit.diagnosis.check import Check, system_package
from edgekit.errors import EdgekitError


def checks(*, deep: bool = False) -> list[Check]:
    """All checks; `deep` connects to each target, which takes seconds."""
    programs = {entry.program.name: entry.program for entry in registry.TARGETS.values() if entry.program}
    return [*(_program(programs[name]) for name in sorted(programs)), *_targets(deep=deep)]


def _program(program: registry.Program) -> Check:
    path = shutil.which(program.name)
    if path:
        return Check(name=program.name, state="ok", told=path)
    message = f"not installed: {program.what} cannot be measured"
    return Check(name=program.name, state="absent", told=message, fix=system_package(program.packages))


def _targets(*, deep: bool) -> Iterator[Check]:
    import platformdirs

    # Same as in edgekit.bench.named, whose import costs more than all checks here.
    file = Path(platformdirs.user_config_dir("edgekit", appauthor=False)) / "targets.yaml"
    if file.exists():
        from edgekit.bench import named

        try:
            known = named.configured()
        except EdgekitError as error:
            fix = f"${{EDITOR:-vi}} {shlex.quote(str(file))}"
            yield Check(name="targets", state="warning", told=str(error), fix=fix)
            return
        names = ", ".join(f"{name} ({entry.target})" for name, entry in known.items()) or "none"
        yield Check(name="targets", state="ok", told=f"{file}: {names}")
    else:
        yield Check(
            name="targets", state="ok", told=f"none configured (no {file}); --target ssh://user@host needs no entry"
        )
    if deep:
        from edgekit.bench import devices

        for device in devices.devices():
            ready = device.state == "ready"
            yield Check(name=device.target, state="ok" if ready else "warning", told=device.state, fix=device.fix)
