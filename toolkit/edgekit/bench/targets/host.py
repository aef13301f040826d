"""This machine as a target: a fresh process, with nothing of edgekit or TensorFlow in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from edgekit.addresses import Address
from edgekit.bench import command
from edgekit.bench.command import Completed
from edgekit.errors import TargetError


class Host:
    """A Transport to where we are. python: the interpreter that runs the runner."""

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
