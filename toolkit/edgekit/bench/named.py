"""Targets of the user's own in targets.yaml, and which device a target of a command or a recipe means."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
import yaml
from pydantic import Field, field_validator

from edgekit import addresses, registry
from edgekit.addresses import Address
from edgekit.bench.transport import Transport
from edgekit.errors import EdgekitError, RecipeError, TargetError, UnknownName, UsageError
from edgekit.recipe import BenchSection
from edgekit.sections.base import Section


class Named(Section):
    """One entry of targets.yaml: where, and what is particular of it.

    python: the interpreter there. ssh_config: an OpenSSH configuration file instead of the user's. runner, runner_sha256,
    libraries: as in a recipe's `bench`.
    """

    target: str
    python: str | None = None
    ssh_config: Path | None = None
    runner: str | None = None
    runner_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    libraries: tuple[str, ...] = ()

    @field_validator("target")
    @classmethod
    def _a_device(cls, text: str) -> str:
        if addresses.parse(text).kind in ("named", "attached"):
            raise ValueError(f"expected host, ssh://... or adb[:SERIAL]; found {text!r}")
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A device that was asked for: `text` as the user wrote it, its address, and its entry of targets.yaml if it has one."""

    text: str
    address: Address
    named: Named | None = None

    @property
    def device(self) -> tuple[Any, ...]:
        """What is the same for two ways to write one device."""
        address = self.address
        return address.kind, address.user, address.host, address.port, address.serial

    def connect(self) -> Transport:
        """Reach it. Raises TargetError with what is wrong and what to do."""
        given: dict[str, Any] = {}
        if self.named and self.address.kind == "ssh":
            config = self.named.ssh_config
            given = {"config": config.expanduser() if config else None, "python": self.named.python}
        transport: Transport = registry.load("targets", self.address.kind)(self.address, **given)
        return transport

    def plan(self, plan: BenchSection) -> BenchSection:
        """The plan with what targets.yaml says of this target; what the recipe says goes first."""
        if self.named is None or plan.runner is not None:
            return plan  # a runner comes with its own pin and libraries
        own = self.named.model_dump(include={"runner", "runner_sha256", "libraries"})
        for key in ("runner", "libraries"):  # relative to targets.yaml
            own[key] = _absolute(own[key])
        return plan.model_copy(update={key: value for key, value in own.items() if value})


def _absolute(value: Any) -> Any:
    """A path, or several, of targets.yaml: relative to where that file is."""
    if isinstance(value, str):
        return str((path().parent / Path(value).expanduser()).resolve())
    return tuple(map(_absolute, value)) if value else value


def path() -> Path:
    """Where targets.yaml is, or would be."""
    import platformdirs

    return Path(platformdirs.user_config_dir("edgekit", appauthor=False)) / "targets.yaml"


def configured() -> dict[str, Named]:
    """The entries of targets.yaml by name; none where there is no such file.

    Raises:
        RecipeError: the file is no YAML mapping of entries like {pi: {target: ssh://pi@raspberrypi.local}}.
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
    found = {}
    for name, entry in content.items():
        try:
            if addresses.parse(str(name)).kind != "named":
                raise UsageError("the name is taken; choose another.")
            found[str(name)] = Named.model_validate(entry)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, (name, *first["loc"])))
            raise RecipeError(f"{file}: {where}: {first['msg'].removeprefix('Value error, ')}.") from None
        except UsageError as error:
            raise RecipeError(f"{file}: {name}: {error}") from None
    return found


def endpoints(targets: Sequence[str]) -> list[Endpoint]:
    """The devices that `targets` mean, each once.

    Raises:
        UnknownName: a name that targets.yaml does not have.
        TargetError: "attached", and nothing but this machine is.
    """
    known = configured()
    found: list[Endpoint] = []
    for text in targets:
        address = addresses.parse(text)
        if address.kind == "attached":
            devices = attached()
            if len(devices) == 1:
                raise TargetError(
                    "--target attached: only this machine is; `edgekit devices` says what was looked for."
                )
            found += devices
        elif address.kind == "named":
            if text not in known:
                raise UnknownName("target", text, (*registry.TARGETS, "attached", *known))
            found.append(_endpoint(text, known[text]))
        else:
            found.append(Endpoint(text=text, address=address))
    # One device may be named twice, as in --target pi --target attached.
    return list({each.device: each for each in reversed(found)}.values())[::-1]


def attached() -> list[Endpoint]:
    """This machine, the targets of targets.yaml, and the Android devices that are ready, each once."""
    from edgekit.bench.targets import adb

    listed = [Endpoint(text="host", address=addresses.parse("host"))]
    listed += [_endpoint(name, entry) for name, entry in configured().items()]
    serials = {each.address.serial for each in listed if each.address.kind == "adb"}
    phones: list[adb.Attached] = []
    try:
        phones = adb.attached() if adb.installed() else []
    except TargetError:  # connect() of a plain adb says what is wrong with it
        listed.append(Endpoint(text="adb", address=addresses.parse("adb")))
    for device in phones:
        if device.state == "device" and device.serial not in serials:
            text = f"adb:{device.serial}"
            listed.append(Endpoint(text=text, address=addresses.parse(text)))
    return listed


def unused(targets: Sequence[str]) -> list[str]:
    """Android devices and entries of targets.yaml that `targets` does not mean. Reaches no network, and starts adb's server
    only where a phone is plugged in."""
    from edgekit.bench.targets import adb

    if "attached" in targets:
        return []
    try:
        asked = {endpoint.device for endpoint in endpoints(targets)}
        devices = attached() if adb.usb_devices_present() else [_endpoint(*entry) for entry in configured().items()]
    except EdgekitError:
        return []
    any_phone = any(kind == "adb" and serial is None for kind, *_, serial in asked)
    return [
        each.text
        for each in devices
        if each.address.kind != "host" and each.device not in asked and not (any_phone and each.address.kind == "adb")
    ]


def _endpoint(name: str, entry: Named) -> Endpoint:
    # Messages call it by the name that the user gave it.
    address = dataclasses.replace(addresses.parse(entry.target), text=name)
    return Endpoint(text=name, address=address, named=entry)
