"""An Android phone of the tests' own: the real adb client and server, our daemon, and a root with Android's shell.

The root is a folder in a user namespace of its own (no privilege is needed): mksh and toybox as Android has them, or busybox, and
stubs of what only Android has. All ports are ephemeral and on 127.0.0.1; the adb server is not the user's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_DAEMON = Path(__file__).with_name("adbd.py")
# $1: the root; $2: the mount options of a file system of its own under /data/local/tmp, or empty. Then the daemon's argv.
_SETUP = """set -e
root=$1 size=$2; shift 2
mount --rbind /dev "$root/dev"; mount --rbind /proc "$root/proc"
mount --bind "$root/vendor/arm64/proc/cpuinfo" "$root/proc/cpuinfo"
[ -z "$size" ] || mount -t tmpfs -o "$size" none "$root/data/local/tmp"
exec setpriv --pdeathsig KILL "$@"
"""
_NAMESPACE = ["unshare", "-U", "--map-root-user", "-m", "sh", "-c", _SETUP, "sh"]
# As a phone answers. ro.kernel.qemu: what runs here is emulated, and reports must say so.
_PROPERTIES = {
    "ro.product.manufacturer": "EdgeKit",
    "ro.product.model": "EdgeKit Phone",
    "ro.soc.manufacturer": "EdgeKit",
    "ro.soc.model": "EK1000",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.build.version.release": "13",
    "ro.build.fingerprint": "edgekit/double/double:13/TEST/1:user/test-keys",
    "ro.kernel.qemu": "1",
}
_CPUINFO = """processor\t: {core}
BogoMIPS\t: 38.40
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: {part}
CPU revision\t: 3

"""
_STUBS = {
    "getprop": """while IFS='=' read -r k v; do
  if [ -z "$1" ]; then echo "[$k]: [$v]"; elif [ "$k" = "$1" ]; then echo "$v"; exit; fi
done </system/build.prop
[ -z "$1" ] || echo "$2"
""",
    "dumpsys": """case $1 in
thermalservice) echo 'IsStatusOverride: false'; echo 'Thermal Status: 0' ;;
battery)
  echo 'Current Battery Service state:'; echo '  AC powered: false'; echo '  USB powered: true'; echo '  Wireless powered: false'
  echo '  status: 2'; echo '  level: 85'; echo '  scale: 100'; echo '  temperature: 291' ;;
*) echo "Can't find service: $1" ;;
esac
""",
    "settings": "echo 0\n",
    # As PowerManagerShellCommand does; /data/power-hal: "old" = before Android 11, "none" = the maker's HAL lacks it.
    "cmd": """[ "$1 $2" = 'power set-fixed-performance-mode-enabled' ] || { echo "cmd: Can't find service: $1" >&2; exit 20; }
case $(cat /data/power-hal) in
old) echo "Unknown command: $2"; exit 255 ;;
none) echo 'Failed to set FIXED_PERFORMANCE mode' >&2
  echo 'This is likely because Power HAL AIDL is not implemented on this device' >&2; exit 255 ;;
esac
echo "$3" >>/data/fixed-performance
""",
    "uname": """case $1 in -m) echo aarch64 ;; -sr) echo 'Linux 5.10.149-android13-4' ;; *) echo Linux ;; esac
""",
}
# What Android has from elsewhere, or has not.
_NOT_TOYBOX = {"uname", "getconf", "sh", "su", "unshare", "chroot", "mount", "umount"}


def _needed(program: str) -> list[str]:
    """The shared libraries of a program of this machine."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return [word for word in listed.split() if word.startswith("/")]


def _install(root: Path, program: str, name: str) -> None:
    shutil.copy(program, root / "system" / "bin" / name)
    for library in _needed(program):
        copy = root / library.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():
            shutil.copy(library, copy)


def build(root: Path) -> None:
    """Fill an empty folder with what a phone has."""
    for folder in ("system/bin", "vendor/bin", "vendor/arm64/proc", "data/local/tmp", "proc", "dev"):
        (root / folder).mkdir(parents=True)
    bin_ = root / "system" / "bin"
    mksh, toybox, printf = shutil.which("mksh"), shutil.which("toybox"), shutil.which("printf")
    if mksh and toybox and printf:
        _install(root, mksh, "sh")
        _install(root, toybox, "toybox")
        _install(root, printf, "printf")  # Android's toybox has one
        applets, box = subprocess.run([toybox], capture_output=True, text=True).stdout.split("Toybox")[0], "toybox"
    else:
        busybox = shutil.which("busybox") or "busybox"
        _install(root, busybox, "busybox")
        (bin_ / "sh").symlink_to("busybox")
        applets, box = subprocess.run([busybox, "--list"], capture_output=True, text=True).stdout, "busybox"
    for applet in set(applets.split()) - _NOT_TOYBOX:
        if not (bin_ / applet).exists():
            (bin_ / applet).symlink_to(box)
    for name, body in _STUBS.items():
        (bin_ / name).write_text(f"#!/system/bin/sh\n{body}")
        (bin_ / name).chmod(0o755)
    (root / "system/build.prop").write_text("".join(f"{key}={value}\n" for key, value in _PROPERTIES.items()))
    (root / "data/power-hal").write_text("fine\n")
    (root / "vendor/arm64/proc/cpuinfo").write_text(
        "".join(_CPUINFO.format(core=core, part=part) for core, part in ((0, "0xd03"), (1, "0xd08")))
    )
    # One little and one big core, so that both can be had on a machine with two.
    for core, khz in ((0, 1_800_000), (1, 2_800_000)):
        cpufreq = root / f"sys/devices/system/cpu/cpu{core}/cpufreq"
        cpufreq.mkdir(parents=True)
        for name in ("cpuinfo_max_freq", "scaling_max_freq", "scaling_cur_freq"):
            (cpufreq / name).write_text(f"{khz}\n")
        (cpufreq / "scaling_governor").write_text("schedutil\n")
    for name in ("possible", "present", "online"):
        (root / "sys/devices/system/cpu" / name).write_text("0-1\n")
    zone = root / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("cpu-0-0-usr\n")
    (zone / "temp").write_text("34500\n")


class AdbServer:
    """A private adb server. environment: what makes adb use it."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        # 5554: below the first port of emulators, so that none is looked for.
        self.environment = {"ANDROID_ADB_SERVER_PORT": str(port), "ADB_LOCAL_TRANSPORT_MAX_PORT": "5554"}
        variables = os.environ | self.environment | {"HOME": str(folder), "TMPDIR": str(folder)}
        # It must not take the user's own phones from the user's server.
        hide = "[ ! -d /dev/bus/usb ] || mount -t tmpfs none /dev/bus/usb; exec setpriv --pdeathsig KILL adb nodaemon server"
        argv = ["unshare", "-U", "--map-root-user", "-m", "sh", "-c", hide]
        with open(folder / "adb.log", "wb") as log:
            self._process = subprocess.Popen(argv, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while self._process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"the adb server did not start: {(folder / 'adb.log').read_text(errors='replace')[-400:]}")

    def adb(self, *arguments: str) -> str:
        """What adb says: the tests' own eyes."""
        done = subprocess.run(
            ["adb", *arguments], env=os.environ | self.environment, capture_output=True, text=True, timeout=30
        )
        return done.stdout + done.stderr

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class Phone:
    """One phone that is attached to `server`. serial: as adb lists it. root: its / as a folder of this machine."""

    def __init__(self, server: AdbServer, root: Path, *faults: str, storage: str = "") -> None:
        self.server, self.root, self.environment = server, root, server.environment
        build(root)
        argv = [*_NAMESPACE, str(root), storage, sys.executable, str(_DAEMON), str(root), *faults]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._process.stdout is not None and self._process.stderr is not None
        port = self._process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"the phone did not start: {self._process.stderr.read().strip()}")
        self.serial = f"127.0.0.1:{port}"
        server.adb("connect", self.serial)

    @property
    def work(self) -> list[str]:
        """The folders of edgekit's that are on it (seen from outside; not with a storage of its own)."""
        return [path.name for path in (self.root / "data/local/tmp/edgekit").glob("work-*")]

    def unplug(self) -> None:
        """Pull the cable."""
        self._process.send_signal(signal.SIGUSR1)

    def plug(self) -> None:
        """Plug it in again."""
        self._process.send_signal(signal.SIGUSR2)
        end = time.monotonic() + 20
        while f"{self.serial}\tdevice" not in self.server.adb("devices") and time.monotonic() < end:
            self.server.adb("disconnect", self.serial)
            self.server.adb("connect", self.serial)

    def arm64(self, program: Path, folder: Path) -> Path:
        """A script in `folder` to be used as a runner there: it runs `program`, for aarch64 Linux with glibc, in qemu.

        Raises:
            RuntimeError: qemu-user-static or the libraries of the cross compiler are not installed.
        """
        emulator, libraries = shutil.which("qemu-aarch64-static"), Path("/usr/aarch64-linux-gnu/lib")
        if emulator is None or not libraries.is_dir():
            raise RuntimeError("qemu-user-static and gcc-aarch64-linux-gnu are needed to run programs for arm64")
        there = self.root / "vendor/arm64/lib"
        if not there.exists():
            there.mkdir()
            shutil.copy(emulator, self.root / "vendor/bin")
            for name in (
                "ld-linux-aarch64.so.1",
                "libc.so.6",
                "libm.so.6",
                "libdl.so.2",
                "libpthread.so.0",
                "librt.so.1",
            ):
                shutil.copy(libraries / name, there)
            for name in ("libgcc_s.so.1", "libstdc++.so.6"):
                shutil.copy(libraries / name, there)
        shutil.copy(program, self.root / "vendor/bin" / program.name)
        (self.root / "vendor/bin" / program.name).chmod(0o755)
        # The default CPU of qemu 7.2 computes int8 wrongly.
        script = folder / program.name
        script.write_text(
            "#!/system/bin/sh\nexec /vendor/bin/qemu-aarch64-static -cpu cortex-a72 -L /vendor/arm64 "
            f'/vendor/bin/{program.name} "$@"\n'
        )
        script.chmod(0o755)
        return script

    def stop(self) -> None:
        self.server.adb("disconnect", self.serial)
        self._process.kill()
        self._process.communicate()


def _missing() -> str | None:
    """Why there can be no phone on this machine; None = there can."""
    for program in ("adb", "unshare", "setpriv", "ldd"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if not (shutil.which("busybox") or (shutil.which("mksh") and shutil.which("toybox"))):
        return "neither mksh and toybox nor busybox-static are installed"
    if subprocess.run(["unshare", "-U", "--map-root-user", "-m", "true"], capture_output=True).returncode:
        return "user namespaces are not allowed here"
    return None


@contextlib.contextmanager
def _server() -> Iterator[AdbServer]:
    if reason := _missing():
        if os.environ.get("EDGEKIT_CI"):
            pytest.fail(f"the phone: {reason}")
        pytest.skip(f"the phone: {reason}")
    with tempfile.TemporaryDirectory(prefix="ek-adb-") as folder:
        server = AdbServer(Path(folder))
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def phone_double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    """A phone in order, for the whole session; `environment` is to be set by whoever uses it."""
    with _server() as server:
        running = Phone(server, tmp_path_factory.mktemp("phone"))
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture
def phone(phone_double: Phone, monkeypatch: pytest.MonkeyPatch) -> Phone:
    """A phone in order, the only one that adb knows of in this test."""
    for name, value in phone_double.environment.items():
        monkeypatch.setenv(name, value)
    return phone_double


@pytest.fixture
def no_phone(monkeypatch: pytest.MonkeyPatch) -> Iterator[AdbServer]:
    """An adb server of the test's own, to which nothing is attached yet."""
    with _server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server
