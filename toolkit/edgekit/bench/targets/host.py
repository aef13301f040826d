"""This machine as a target: a fresh process, without edgekit or TensorFlow in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from edgekit.bench import command
from edgekit.bench.command import Completed
from edgekit.bench.target import DiscoveredDevice, Endpoint, Target
from edgekit.bench.transport import Transport
from edgekit.errors import TargetError
from edgekit.recipe.addresses import Address


class HostTarget(Target):
    """This machine."""

    remote = False

    def connect(self, endpoint: Endpoint) -> Host:
        return connect(endpoint.address)

    def discover(self, *, start: bool = True) -> Sequence[DiscoveredDevice]:
        return [DiscoveredDevice(text="host")]


class Host(Transport):
    """A Transport to this machine. python: the interpreter that runs the runner."""

    # PYTHONPATH and the current folder must not bring in other packages; on a device they are its owner's choice.
    python_options = ("-I",)
    install = "pip install ai-edge-litert"

    def __init__(self, address: Address) -> None:
        self.text = address.text
        self.bounded = False
        self.python: str | None = sys.executable
        self._folder = tempfile.TemporaryDirectory(prefix="edgekit-bench-")
        self.base = self._folder.name

    def run(self, script: str, *, timeout_s: float) -> Completed:
        return command.call(["sh", "-c", script], timeout_s=timeout_s)

    def start(self, script: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
        return command.started(["sh", "-c", script], stdin=subprocess.PIPE)

    def push(self, files: Mapping[str, Path], *, timeout_s: float) -> None:
        del timeout_s  # of local copies
        for path, source in files.items():
            try:
                shutil.copyfile(source, path)
            except OSError as error:
                raise TargetError(f"{source} could not be copied to {path}: {error.strerror}.") from None

    def pull(self, path: str, *, timeout_s: float) -> bytes:
        del timeout_s
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise TargetError(f"{path} cannot be read: {error.strerror}.") from None

    def close(self) -> None:
        self._folder.cleanup()


def connect(address: Address) -> Host:
    """This machine."""
    return Host(address)
