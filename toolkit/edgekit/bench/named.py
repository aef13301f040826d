"""The user's own targets in targets.yaml, and which device a target of a command or a recipe refers to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pydantic
import yaml

from edgekit import registry
from edgekit.bench.target import DiscoveredDevice, Endpoint, Named, Target
from edgekit.errors import EdgekitError, RecipeError, TargetError, UnknownName, UsageError
from edgekit.recipe import addresses


def path() -> Path:
    """Where targets.yaml is, or would be."""
    import platformdirs

    return Path(platformdirs.user_config_dir("edgekit", appauthor=False)) / "targets.yaml"


def configured() -> dict[str, Named]:
    """The entries of targets.yaml by name; none if there is no such file.

    Raises:
        RecipeError: the file is not a YAML mapping of entries like {pi: {target: ssh://pi@raspberrypi.local}}.
    """
    file = path()
    try:
        content = yaml.safe_load(file.read_text()) if file.exists() else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{file} cannot be read: {' '.join(str(error).split())}.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise RecipeError(f"{file} is not a mapping such as pi: {{target: ssh://pi@raspberrypi.local}}.")
    targets = {}
    for name, entry in content.items():
        try:
            if addresses.parse(str(name)).kind != "named":
                raise UsageError("the name is taken; choose another.")
            targets[str(name)] = Named.model_validate(entry).anchored(file.parent)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, (name, *first["loc"])))
            raise RecipeError(f"{file}: {where}: {first['msg'].removeprefix('Value error, ')}.") from None
        except UsageError as error:
            raise RecipeError(f"{file}: {name}: {error}") from None
    return targets


def endpoints(targets: Sequence[str]) -> list[Endpoint]:
    """The devices that `targets` refer to, each once.

    Raises:
        UnknownName: a name that targets.yaml does not have.
        TargetError: "attached", but only this machine is.
    """
    known = configured()
    chosen: list[Endpoint] = []
    for text in targets:
        address = addresses.parse(text)
        if address.kind == "attached":
            devices = attached()
            if len(devices) == 1:
                raise TargetError(
                    "--target attached: there is only this machine; `edgekit devices` shows what was looked for."
                )
            chosen += devices
        elif address.kind == "named":
            if text not in known:
                raise UnknownName("target", text, (*registry.TARGETS, "attached", *known))
            chosen.append(_endpoint(text, known[text]))
        else:
            chosen.append(_plain(text))
    # One device may be named twice, as in --target pi --target attached.
    return list({each.device: each for each in reversed(chosen)}.values())[::-1]


def kinds() -> list[Target]:
    """Each kind of target."""
    return [registry.load("targets", name)() for name in registry.TARGETS]


def discovered(*, start: bool = True) -> list[DiscoveredDevice]:
    """What each kind of target finds attached, ready or not. start: whether programs may be started to find it."""
    return [device for kind in kinds() for device in kind.discover(start=start)]


def attached(devices: Sequence[DiscoveredDevice] | None = None) -> list[Endpoint]:
    """This machine, the targets of targets.yaml, and the devices that are ready, each once."""
    own = [_endpoint(name, entry) for name, entry in configured().items()]
    ready = [_plain(each.text) for each in (discovered() if devices is None else devices) if each.fix is None]
    here, there = ([each for each in ready if each.target.remote is remote] for remote in (False, True))
    return [*here, *own, *(each for each in there if each.device not in {one.device for one in own})]


def unused(targets: Sequence[str]) -> list[str]:
    """Attached devices and entries of targets.yaml that `targets` does not include. Uses no network, and starts the adb server
    only if a phone is plugged in."""
    if "attached" in targets:
        return []
    try:
        used = {endpoint.device for endpoint in endpoints(targets)}
        devices = attached(discovered(start=False))
    except EdgekitError:
        return []
    any_of = {kind for kind, *parts in used if parts == [None] * len(parts)}  # a plain adb means any phone
    return [
        each.text
        for each in devices
        if each.target.remote and each.device not in used and each.address.kind not in any_of
    ]


def _plain(text: str) -> Endpoint:
    return Endpoint(text=text, address=addresses.parse(text))


def _endpoint(name: str, entry: Named) -> Endpoint:
    # Messages call it by the name that the user gave it.
    address = dataclasses.replace(addresses.parse(entry.target), text=name)
    return Endpoint(text=name, address=address, named=entry)
