"""A Linux device over the system's OpenSSH: the user's configuration, keys and known hosts; one connection for all calls.

ssh never prompts (BatchMode), and host keys are always checked as the user's configuration says. Scripts reach a POSIX shell
through any login shell, and every call ends: a silent peer is given up after ServerAliveInterval x ServerAliveCountMax.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import re
import shlex
import stat
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from edgekit.bench import command, setup, ssh_diagnosis
from edgekit.bench.command import Completed
from edgekit.bench.setup import VENV
from edgekit.bench.target import Endpoint, Target
from edgekit.bench.transport import Transport
from edgekit.errors import TargetError, UsageError
from edgekit.recipe.addresses import Address
from edgekit.types import Reporter

CONFIG_VARIABLE = "EDGEKIT_SSH_CONFIG"
_CONNECT_S = 10
_PATIENT_S = 60
# A login and a first command on a slow, busy device; ConnectTimeout alone does not bound the login.
_CONTACT_S = 60.0
_BEGIN = b"EDGEKIT-BEGIN\n"
# sun_path holds 104 bytes on macOS and the BSDs; while ssh binds it, it adds a dot and 16 letters to the name of 40 (%C).
_SOCKET_BYTES = 104 - 1 - 17 - 40
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _./=-:,+@")

# $1: the interpreter to use, or empty. The marks separate the answers from what a login shell's startup files print.
_CONTACT = f"""
echo "EDGEKIT-HOME=$HOME"
if [ -n "$1" ]; then p=$(command -v "$1"); elif [ -x "$HOME/{VENV}/bin/python" ]; then p=$HOME/{VENV}/bin/python
else p=$(command -v python3); fi
echo "EDGEKIT-PYTHON=$p"
timeout -k 1 10 true 2>/dev/null && echo EDGEKIT-BOUNDED=yes
echo EDGEKIT-DONE=yes
"""


class SshTarget(Target):
    """A Linux device, whose connection stays open for the next command."""

    stays_open = True

    def connect(self, endpoint: Endpoint) -> Ssh:
        if endpoint.named is None:
            return connect(endpoint.address)
        config = endpoint.named.ssh_config
        return connect(endpoint.address, config=config.expanduser() if config else None, python=endpoint.named.python)

    def set_up(self, endpoint: Endpoint, reporter: Reporter, *, force: bool) -> str | None:
        if endpoint.named and endpoint.named.python:
            raise UsageError(
                f"{endpoint.text} has `python: {endpoint.named.python}` in targets.yaml, which bench would go on using: install "
                "a runtime and numpy into that interpreter yourself, or drop `python` there and try again."
            )
        with contextlib.closing(self.connect(endpoint)) as transport:
            return setup.install(transport, reporter, force=force)


class Ssh(Transport):
    """A Transport. config: an ssh configuration file, None = the user's own. python: the interpreter to use there."""

    def __init__(self, address: Address, config: Path | None, python: str | None) -> None:
        self.text = address.text
        options = ["-F", str(config)] if config else []
        named = ["-p", str(address.port)] if address.port is not None else []
        where = (f"{address.user}@" if address.user else "") + (address.host or "")
        self._by_hand = shlex.join(["ssh", *options, *named, where])
        # Overrides what in the user's configuration would change the meaning of our commands or let the device connect back.
        for name, value in {
            "BatchMode": "yes",
            "ConnectTimeout": str(_CONNECT_S),
            "ControlMaster": "auto",
            "ControlPersist": "60",
            "ControlPath": f'"{_sockets(config)}/%C"',
            "LogLevel": "INFO",
            "RequestTTY": "no",
            "RemoteCommand": "none",
            "PermitLocalCommand": "no",
            "ClearAllForwardings": "yes",
            "ForwardAgent": "no",
            "ForwardX11": "no",
            "EscapeChar": "none",
        }.items():
            options += ["-o", f"{name}={value}"]
        if address.port is not None:
            options += ["-p", str(address.port)]
        if address.user is not None:
            options += ["-l", address.user]
        host = ["--", address.host or ""]
        self._ssh = ["ssh", *options, *_keepalive(options, host), *host]
        facts = self._contact(python)
        home = facts.get("HOME", "")
        if not home.startswith("/"):
            raise TargetError(f"{self.text} has no home folder ($HOME is {home!r}), which edgekit needs.")
        self.base = f"{home}/.cache/edgekit"
        self.bounded = facts.get("BOUNDED") == "yes"
        self.python = facts.get("PYTHON") or None
        if python is not None and self.python is None:
            raise TargetError(f"{self.text} has no program {python!r}, which is set as its Python interpreter.")

    def run(self, script: str, *, timeout_s: float) -> Completed:
        try:
            done = command.call([*self._ssh, _portable(script)], timeout_s=timeout_s)
        except TargetError as error:
            raise TargetError(f"{self.text}: {error}") from None
        return self._unless_disconnected(done)

    @contextlib.contextmanager
    def start(self, script: str) -> Iterator[subprocess.Popen[bytes]]:
        with command.started([*self._ssh, _portable(script)], stdin=subprocess.PIPE) as process:
            watch = threading.Timer(_CONTACT_S, process.kill)
            watch.start()
            try:
                stdout, stderr = _stream(process.stdout), _stream(process.stderr)
                if not any(line.endswith(_BEGIN) for line in stdout):
                    status = process.wait()
                    self._unless_disconnected(Completed(status=status, stdout=b"", stderr=stderr.read()))
            finally:
                watch.cancel()
            yield process

    def push(self, files: Mapping[str, Path], *, timeout_s: float) -> None:
        """One tar stream, so that many files cost one round trip."""
        # tar creates missing folders: unpacked at the root, it would bring back one that was removed meanwhile.
        folder = posixpath.commonpath([posixpath.dirname(path) for path in files])
        with tempfile.TemporaryFile(prefix="edgekit-push-") as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
                for path, source in files.items():
                    member = tarfile.TarInfo(posixpath.relpath(path, folder))
                    member.size, member.mode = source.stat().st_size, 0o644
                    with open(source, "rb") as content:
                        archive.addfile(member, content)
            size = stream.tell()
            stream.seek(0)
            # -o: the files belong to the login user; -m: the device's clock may be behind ours.
            script = f"tar -xmof - -C {shlex.quote(folder)} && echo EDGEKIT-PUSHED"
            with command.started([*self._ssh, _portable(script)], stdin=stream.fileno()) as process:
                try:
                    stdout, stderr = process.communicate(timeout=timeout_s)
                except subprocess.TimeoutExpired:
                    took = f"{size / 1024**2:.1f} MB within {timeout_s:.0f} s"
                    raise TargetError(
                        f"{self.text} did not receive {took}: its network or its disk is too slow."
                    ) from None
        done = self._unless_disconnected(Completed(status=process.returncode, stdout=stdout, stderr=stderr))
        if done.status or b"EDGEKIT-PUSHED" not in done.stdout:
            self._refuse_push(done)

    def _refuse_push(self, done: Completed) -> None:
        stderr = done.stderr.decode(errors="replace")
        first = command.plain(stderr.strip().partition("\n")[0])
        # When a full disk cuts a write short, GNU tar reports only the length written.
        if re.search("No space left|Disk quota exceeded|Wrote only", stderr):
            raise TargetError(f"No space left on {self.text}: free some there ({first}).")
        if done.status == 127:
            raise TargetError(f"{self.text} has no tar: install it there.")
        if done.status == 255 or not stderr.strip():
            raise TargetError(f"{self.text} vanished while files were sent to it ({done.last_line}).")
        raise TargetError(f"{self.text} could not store what was sent: {first}.")

    def pull(self, path: str, *, timeout_s: float) -> bytes:
        """The size is sent before the content, so that a cut connection is noticed."""
        script = f'f={shlex.quote(path)}; s=$(wc -c <"$f") && printf "%s\\n" $s && cat "$f"'
        done = self.run(script, timeout_s=timeout_s)
        size, _, content = done.stdout.partition(b"\n")
        if done.status not in (0, 255):
            raise TargetError(f"{path} cannot be read on {self.text}: {done.last_line}.")
        if not size.isdigit() or len(content) != int(size):
            raise TargetError(f"{self.text} vanished while {path} was fetched from it ({done.last_line}).")
        return content

    def close(self) -> None:
        """Nothing: the connection serves the next command and ends after a minute without one."""

    def _contact(self, python: str | None) -> dict[str, str]:
        """Run the first command: find the home folder, Python and `timeout` there."""
        done = self.run(f"set -- {shlex.quote(python or '')}\n{_CONTACT}", timeout_s=_CONTACT_S)
        facts = dict(re.findall(r"^EDGEKIT-([A-Z]+)=(.*)$", done.stdout.decode(errors="replace"), re.MULTILINE))
        if "DONE" not in facts:
            raise TargetError(f"{self.text} accepts the login but runs no shell command: {done.last_line}.")
        return facts

    def _unless_disconnected(self, done: Completed) -> Completed:
        """`done` from where our script begins: anything before it is from a login shell's startup files.

        Raises:
            TargetError: the script never began.
        """
        _, begin, stdout = done.stdout.partition(_BEGIN)
        if not begin:
            raise TargetError(ssh_diagnosis.diagnose(self.text, self._by_hand, done))
        return Completed(status=done.status, stdout=stdout, stderr=done.stderr)


def connect(address: Address, *, config: Path | None = None, python: str | None = None) -> Ssh:
    """A device at ssh://[user@]host[:port].

    Args:
        address: of kind "ssh".
        config: an ssh configuration file; None = the file that the environment variable EDGEKIT_SSH_CONFIG names, or else the
            user's own (~/.ssh/config).
        python: the interpreter to use there; None = the one of `edgekit setup-device`, or else python3.

    Raises:
        TargetError: it cannot be reached or refuses the login; the message says what to do.
    """
    if config is None and (named := os.environ.get(CONFIG_VARIABLE)):
        config = Path(named)
    return Ssh(address, config, python)


def _portable(script: str) -> str:
    """A command line that runs `script` in a POSIX shell, whatever the login shell: sh, csh and fish read it alike.

    They differ in what may be between single quotes, so all but plain characters become octal escapes of printf's %b.
    """
    text = ("echo " + _BEGIN.decode() + script).encode()
    escaped = "".join(chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in text)
    return f"""exec sh -c 'eval "$(printf %b "{escaped}")"'"""


def _keepalive(options: list[str], host: list[str]) -> list[str]:
    """Options that notice a dead peer within 15 s, unless the user's configuration has settings that do."""
    done = command.call(["ssh", "-G", *options, *host], timeout_s=_CONNECT_S)
    if done.status:
        raise TargetError(f"ssh cannot use its configuration for {host[-1]!r}: {done.last_line}.")
    # Debian's default under BatchMode is 300 s.
    interval = re.search(rb"^serveraliveinterval (\d+)", done.stdout, re.MULTILINE)
    if interval is not None and 0 < int(interval[1]) <= _PATIENT_S:
        return []
    return ["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"]


def _sockets(config: Path | None) -> str:
    """A private folder for the sockets of shared connections. Each configuration has its own: it may use another key."""
    temporary = [os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"]
    folders = [Path(place, f"edgekit-{os.getuid()}") for place in temporary if place and Path(place).is_dir()]
    name = "user"
    if config is not None:
        try:
            name = hashlib.sha256(config.read_bytes()).hexdigest()[:8]
        except OSError as error:
            raise TargetError(f"The ssh configuration {config} cannot be read: {error.strerror}.") from None
    folder = next((f for f in folders if len(os.fsencode(f / name)) < _SOCKET_BYTES), folders[-1])
    for path in (folder, folder / name):
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise TargetError(
                f"{path} must be a folder of yours with mode 700: another user could read the connection."
            )
    return str(folder / name).replace("%", "%%")


def _stream(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
