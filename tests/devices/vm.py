"""The arm64 Debian machine of the device tests: booted once a test process, reached by ssh at a port of 127.0.0.1 only."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.devices import image

_BOOT_S = 120.0


class Machine:
    """The running machine. config: an ssh configuration whose hosts are the users of image.USERS ("pi", "bare", ...)."""

    def __init__(self, built: Path, folder: Path) -> None:
        self._image, self.folder = built, folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.identity = folder / "id"
        shutil.copy(built / "id", self.identity)
        self.identity.chmod(0o600)
        self.host_key = " ".join((built / "host_key.pub").read_text().split()[:2])
        self.config = self.write_config("config")
        # For tests of vanishing: a dead connection is noticed in 3 s, where edgekit's own settings take 15 s.
        self.hasty = self.write_config("hasty", ServerAliveInterval="1", ServerAliveCountMax="3")
        self._process: subprocess.Popen[bytes] | None = None

    def write_config(self, name: str, *, known: str | None = None, **settings: str) -> Path:
        """Another ssh configuration. known: the host key that it trusts, "" = none, None = the machine's own."""
        hosts = self.folder / f"{name}.known_hosts"
        key = self.host_key if known is None else known
        hosts.write_text(f"[127.0.0.1]:{self.port} {key}\n" if key else "")
        lines = ["Host *"]
        own = {"IdentityFile": str(self.identity), "IdentitiesOnly": "yes", "UserKnownHostsFile": str(hosts)}
        own |= {"GlobalKnownHostsFile": "/dev/null", "HostName": "127.0.0.1", "Port": str(self.port)}
        lines += [f"  {key} {value}" for key, value in (own | settings).items()]
        for user in image.USERS:
            lines += [f"Host {user}", f"  User {user}"]
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n")
        return path

    def start(self) -> None:
        """Boot from the untouched image and wait until sshd answers."""
        drive = f"if=none,file={self._image}/disk.img,format=raw,id=d0"
        # restrict: nothing of any network can be reached from inside.
        net = f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"
        argv = ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "768", "-nographic"]
        argv += ["-nodefaults", "-serial", "stdio", "-no-reboot", "-snapshot", "-drive", drive, "-netdev", net]
        argv += ["-kernel", str(self._image / "vmlinuz"), "-initrd", str(self._image / "initrd.gz")]
        argv += ["-append", "console=ttyAMA0 quiet panic=-1", "-device", "virtio-blk-pci,drive=d0"]
        argv += ["-device", "virtio-net-pci,netdev=n0,romfile="]
        if shutil.which("setpriv"):  # it dies with us, also when we are killed
            argv = ["setpriv", "--pdeathsig", "KILL", *argv]
        log = self.folder / "console.txt"
        with open(log, "wb") as console:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
        end = time.monotonic() + _BOOT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"the machine did not boot: {log.read_text(errors='replace')[-600:]}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
        return False

    def kill(self) -> None:
        """Pull the plug."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def suspend(self) -> None:
        """Vanish without a word: connections stay open, nothing answers."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Come back."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def when_running(self, command: str, then: Callable[[], object]) -> threading.Thread:
        """Do `then` as soon as `command` runs there, such as "sleep 60"; returns the thread that waits for it."""

        def wait() -> None:
            self.shell(f"until pgrep -fx '{command}' >/dev/null; do sleep 0.1; done")
            then()

        thread = threading.Thread(target=wait)
        thread.start()
        return thread

    def shell(self, script: str, *, user: str = "root", timeout_s: float = 60.0) -> str:
        """What a script wrote that ran in a login shell of a user, by plain ssh: the tests' own eyes."""
        argv = ["ssh", "-F", str(self.config), "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-o", "LogLevel=ERROR"]
        argv += ["-o", "ControlMaster=auto", "-o", "ControlPersist=600", "-o", f"ControlPath={self.folder}/eyes-%C"]
        argv += [user, script]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s)
        assert done.returncode == 0, f"{script}: {done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """The arm64 machine, booted; ssh://pi and its other users are targets meanwhile.

    In CI (EDGEKIT_CI) a machine that cannot be built or booted fails; elsewhere it skips, with the reason.
    """
    # Short: the path of a ControlMaster's socket has a limit that pytest's own folders come near.
    with tempfile.TemporaryDirectory(prefix="ek-") as folder:
        try:
            running = Machine(image.cached(), Path(folder))
            running.start()
        except RuntimeError as error:
            if os.environ.get("EDGEKIT_CI"):
                pytest.fail(f"the arm64 machine: {error}")
            pytest.skip(f"the arm64 machine: {error}")
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("EDGEKIT_SSH_CONFIG", str(running.config))
                patch.setenv("XDG_RUNTIME_DIR", folder)
                yield running
        finally:
            running.kill()
