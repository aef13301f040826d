"""What edgekit needs from a kind of target, and one device of that kind. The kinds are bench/targets/*, see registry.TARGETS."""

from __future__ import annotations

import contextlib
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from edgekit import registry
from edgekit.bench.session import Job, Session
from edgekit.bench.transport import Transport
from edgekit.bench.workspace import Workspace
from edgekit.errors import UsageError
from edgekit.recipe import BenchSection, addresses
from edgekit.recipe.addresses import Address
from edgekit.recipe.base import Section
from edgekit.types import Reporter

Runner = Callable[[Workspace, Job], Session]
_LITE = ("ai-edge-litert", "tflite-runtime", "tensorflow")
# The wheels of ai-edge-litert for aarch64 are tagged manylinux_2_27, but the libraries in them need this version.
_GLIBC = (2, 34)


class Named(Section):
    """One entry of targets.yaml: where a device is, and its own settings.

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
        if addresses.parse(text).kind not in registry.TARGETS:
            *forms, last = registry.target_forms()
            raise ValueError(f"expected {', '.join(forms)} or {last}; found {text!r}")
        return text

    def anchored(self, folder: Path) -> Named:
        """A copy with absolute paths to its files, which are relative to `folder`."""

        def absolute(name: str) -> str:
            return str((folder / Path(name).expanduser()).resolve())

        files = {"runner": self.runner and absolute(self.runner), "libraries": tuple(map(absolute, self.libraries))}
        return self.model_copy(update=files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A requested device: `text` as the user wrote it, its address, and its entry of targets.yaml if it has one."""

    text: str
    address: Address
    named: Named | None = None

    @property
    def target(self) -> Target:
        """Its kind."""
        target: Target = registry.load("targets", self.address.kind)()
        return target

    @property
    def device(self) -> tuple[Any, ...]:
        """Equal for two ways to write one device: its kind, and the parts of its address."""
        return dataclasses.astuple(self.address)[1:]

    def connect(self) -> Transport:
        """Connect to it. Raises TargetError with what is wrong and what to do."""
        return self.target.connect(self)

    def plan(self, plan: BenchSection) -> BenchSection:
        """The plan with this target's settings from targets.yaml; those of the recipe take precedence."""
        if self.named is None or plan.runner is not None:
            return plan  # a runner comes with its own pin and libraries
        own = self.named.model_dump(include={"runner", "runner_sha256", "libraries"})
        return plan.model_copy(update={key: value for key, value in own.items() if value})


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredDevice:
    """A device that is attached. text: the target to name it by. fix: what to do about its state, None = it is ready."""

    text: str
    state: str = "ready"
    fix: str | None = None


class Target(ABC):
    """A kind of target; the defaults are those of a Linux device measured with Python.

    remote: it is not this machine, so its outputs are compared with ours. needs_runner: it can only be measured with a native
    program. stays_open: a connection stays open for the next commands.
    """

    remote = True
    needs_runner = False
    stays_open = False

    @abstractmethod
    def connect(self, endpoint: Endpoint) -> Transport:
        """Connect to a device. Raises TargetError with what is wrong and what to do."""

    def accepts(self, endpoint: Endpoint, plan: BenchSection) -> None:
        """Reject a plan that a device cannot carry out.

        Raises:
            UsageError, TargetError: which setting is wrong, and what to do.
        """
        if plan.fixed_performance:
            raise UsageError(f"--fixed-performance is a mode of Android; {endpoint.text} has none.")
        if plan.delegate in ("gpu", "nnapi"):
            raise UsageError(
                f"--delegate {plan.delegate} is for Android; {endpoint.text} computes with xnnpack or none."
            )

    def runner_for(self, plan: BenchSection) -> Runner:
        """The function that measures there."""
        from edgekit.bench.runners import native, python

        return python.measure if plan.runner is None else native.measure

    def prepared(self, transport: Transport, plan: BenchSection) -> AbstractContextManager[None]:
        """The state that a device is measured in, for as long as a block runs."""
        return contextlib.nullcontext()

    def readiness(
        self, endpoint: Endpoint, facts: Mapping[str, Any], runtimes: Mapping[str, str]
    ) -> tuple[str, str | None]:
        """("ready", None), or what prevents measuring and what to do about it.

        Args:
            facts: see edgekit.bench.facts.parse. runtimes: package there -> version, Python's own as "python".
        """
        if endpoint.named and endpoint.named.runner:
            return "ready", None
        if "python" not in runtimes:
            return "no Python", "install python3 there, or give a native runner with --runner (docs/devices.md)"
        if not any(name in runtimes for name in _LITE) or "numpy" not in runtimes:
            return "no runtime", _install(endpoint)
        glibc = facts["glibc"]
        if facts["machine"] == "aarch64" and "ai-edge-litert" in runtimes and glibc and _version(glibc) < _GLIBC:
            needed = f"ai-edge-litert needs glibc 2.34 and it has {glibc}"
            return "glibc too old", f"{needed}: use a newer system, or {_install(endpoint)}"
        return "ready", None

    def discover(self, *, start: bool = True) -> Sequence[DiscoveredDevice]:
        """The devices of this kind that are attached. start: whether programs may be started to find them."""
        return ()

    def looked_for(self) -> str | None:
        """What `discover` looks for, or why it cannot; None = nothing."""
        return None

    def set_up(self, endpoint: Endpoint, reporter: Reporter, *, force: bool) -> str | None:
        """Install the runtime on a device; see edgekit.bench.setup.install.

        Raises:
            UsageError: there is nothing to install. TargetError: the installation failed.
        """
        raise UsageError(f"setup-device is for ssh targets; {endpoint.text} needs none (Android: bench --runner).")


def _install(endpoint: Endpoint) -> str:
    if endpoint.named and endpoint.named.python:
        python = endpoint.named.python
        return f"install ai-edge-litert (or tflite-runtime) and numpy into {python} there, or drop `python` in targets.yaml"
    return f"edgekit setup-device {endpoint.text}"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
