"""A bootable arm64 Debian made from packages alone: no root rights, no chroot, no emulation while it is built.

The packages are unpacked, not installed; the few things that their install scripts would do (users, sshd's settings) are written
here. Its users differ in what they have, so that one machine plays several devices; all log in with the one key of the tests:

    root, pi   Python, numpy and ai-edge-litert at /usr/bin/python3; pi's .bashrc talks
    bare       a Python without any package         nopython   no Python
    oldlibc    a runtime that fails to import as it does with an old libc (its message, faked)
    full       a home folder of 2 MB                csh        a login shell that is not a POSIX shell
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

SUITE, PYTHON = "bookworm", "3.11"
USERS = {"root": 0, "pi": 1000, "bare": 1001, "nopython": 1002, "oldlibc": 1003, "full": 1004, "csh": 1005}
NEEDED = ("qemu-system-aarch64", "apt-get", "dpkg-deb", "mke2fs", "cpio", "gzip", "ssh", "ssh-keygen")
_PACKAGES = (
    *("base-files", "bash", "coreutils", "dash", "libc-bin", "sed", "grep", "findutils", "procps", "tar", "gzip"),
    *("hostname", "util-linux", "python3", "libstdc++6", "libgomp1", "openssh-server", "openssh-sftp-server", "tcsh"),
)
_MODULES = (
    *("virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk"),
    *("failover", "net_failover", "virtio_net"),
)
_WHEELS = [f"{name}=={version(name)}" for name in ("ai-edge-litert", "numpy")]
_SITE = f"usr/local/lib/python{PYTHON}/dist-packages"
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

# The last line is a watchdog: a machine that the tests forgot switches itself off.
_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
for m in {modules}; do [ -e /lib/$m.ko ] && insmod /lib/$m.ko 2>/dev/null; done
mount -t ext4 /dev/vda /mnt || poweroff -f
for d in proc sys dev; do mount --bind /$d /mnt/$d; done
mkdir -p /dev/pts; mount -t devpts devpts /dev/pts; mount --bind /dev/pts /mnt/dev/pts
mount -t tmpfs tmpfs /mnt/run; mkdir -p /mnt/run/sshd
mount -t tmpfs -o mode=1777 tmpfs /mnt/tmp
mount -t tmpfs -o size=2m,mode=700 tmpfs /mnt/home/full
chown -R 0:0 /mnt/etc/ssh /mnt/root; chmod 600 /mnt/etc/ssh/host_key
{owners}
hostname raspberrypi
ifconfig lo 127.0.0.1 up; ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
chroot /mnt /usr/sbin/sshd -D -e &
sleep 3600; poweroff -f
"""

_SSHD = """HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/keys
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
UseDNS no
StrictModes no
PidFile none
Subsystem sftp /usr/lib/openssh/sftp-server
Match User nopython
SetEnv PATH=/opt/nopython
Match User bare
SetEnv PATH=/opt/bare:{path}
Match User oldlibc
SetEnv PATH=/opt/oldlibc:{path}
Match all
SetEnv PATH={path}
"""


def cached() -> Path:
    """The folder of the image: vmlinuz, initrd.gz, disk.img, id (the tests' key), host_key. Built on first use, then shared.

    Raises:
        RuntimeError: a program is missing or a step of the build failed; the message says which.
    """
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if missing := [name for name in NEEDED if not shutil.which(name, path=search)]:
        raise RuntimeError(f"not installed: {', '.join(missing)}")
    key = hashlib.sha256(repr((SUITE, _WHEELS, Path(__file__).read_text())).encode()).hexdigest()[:16]
    root = Path.home() / ".cache" / "edgekit-tests"
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"vm-{key}"
    with open(root / f"vm-{key}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=root, prefix="building-") as building:
                made = Path(building) / "image"
                made.mkdir()
                _build(Path(building), made)
                for old in root.glob("vm-*/"):
                    shutil.rmtree(old, ignore_errors=True)
                made.rename(folder)
    return folder


def _run(*argv: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, cwd=cwd, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{argv[0]} failed: {' '.join(done.stderr.split())[-600:] or 'no message'}")
    return done.stdout


def _build(work: Path, out: Path) -> None:
    root, kernel = work / "root", work / "kernel"
    root.mkdir()
    kernel.mkdir()
    with ThreadPoolExecutor(2) as pool:
        wheels = pool.submit(_wheels, work / "wheels")
        archives, kernel_archives = _download(work)
        jobs = [pool.submit(_run, "dpkg-deb", "-x", archive, root) for archive in archives]
        jobs += [pool.submit(_run, "dpkg-deb", "-x", archive, kernel) for archive in kernel_archives]
        for job in [wheels, *jobs]:
            job.result()
    (root / _SITE).parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(work / "wheels", root / _SITE, dirs_exist_ok=True)
    for name in ("id", "host_key"):
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "edgekit-tests", "-f", out / name)
    _furnish(root, out)
    _initrd(work / "initrd", kernel, out / "initrd.gz")
    shutil.copy(next(iter(kernel.glob("boot/vmlinuz-*"))), out / "vmlinuz")
    mke2fs = shutil.which("mke2fs") or "/usr/sbin/mke2fs"
    _run(mke2fs, "-q", "-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0", "-d", root, out / "disk.img", "640M")


def _mirror() -> str:
    """The Debian mirror that this machine's own apt uses."""
    for file in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        if file.is_file():
            text = file.read_text(errors="replace")
            for form in (r"^URIs:\s*(\S+/debian)/?\s*$", r"^deb\s+(?:\[[^]]*\]\s+)?(\S+/debian)/?\s"):
                if found := re.search(form, text, re.MULTILINE):
                    return found[1]
    raise RuntimeError("no Debian mirror in this machine's apt sources")


def _download(work: Path) -> tuple[list[Path], list[Path]]:
    """Archives of the system, and of the kernel and busybox, by apt with a state of its own."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (work / name).mkdir(parents=True)
    (work / "status").touch()
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (work / "sources.list").write_text(f"deb [arch=arm64 signed-by={keyring}] {_mirror()} {SUITE} main\n")
    settings = {
        "Dir::State": work / "state",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Install-Recommends": "0",
        "APT::Sandbox::User": "",
        "Debug::NoLocking": "1",
        "Acquire::Retries": "3",
        "Acquire::Languages": "none",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    _run("apt-get", *options, "-qq", "update")
    _run("apt-get", *options, "-qq", "-y", "-d", "install", *_PACKAGES)
    depends = _run("apt-cache", *options, "depends", "linux-image-cloud-arm64")
    image = re.search(r"Depends: (linux-image-[0-9]\S+)", depends)
    if image is None:
        raise RuntimeError("the mirror has no arm64 kernel")
    (work / "debs").mkdir()
    _run("apt-get", *options, "-qq", "download", image[1], "busybox-static", cwd=work / "debs")
    return sorted((work / "cache/archives").glob("*.deb")), sorted((work / "debs").glob("*.deb"))


def _wheels(folder: Path) -> None:
    short = PYTHON.replace(".", "")
    tags = [
        "--implementation",
        "cp",
        "--python-version",
        short,
        "--abi",
        f"cp{short}",
        "--abi",
        "abi3",
        "--abi",
        "none",
    ]
    platforms = ("manylinux2014_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64")
    tags += [word for name in platforms for word in ("--platform", name)]
    pip = (sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile")
    _run(*pip, "--only-binary=:all:", *tags, "--target", folder, *_WHEELS)
    (folder / "ai_edge_litert/libLiteRtWebGpuAccelerator.so").unlink(missing_ok=True)
    for unneeded in ("bin", *folder.glob("numpy/**/tests")):
        shutil.rmtree(folder / unneeded, ignore_errors=True)


def _furnish(root: Path, out: Path) -> None:
    """What the packages' install scripts would have done, and the users."""

    def write(path: str, text: str, mode: int = 0o644) -> None:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    for name in ("doc", "man", "locale", "info"):
        shutil.rmtree(root / "usr/share" / name, ignore_errors=True)
    for name in ("proc", "sys", "dev", "run", "tmp", "root", "var/tmp", *(f"home/{user}" for user in USERS)):
        (root / name).mkdir(parents=True, exist_ok=True)
    shells = {"csh": "/bin/tcsh"}
    users = [
        f"{user}:x:{uid}:{uid}::{f'/home/{user}' if uid else '/root'}:{shells.get(user, '/bin/bash')}\n"
        for user, uid in USERS.items()
    ]
    users += ["sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n", "nobody:x:65534:65534::/:/usr/sbin/nologin\n"]
    write("etc/passwd", "".join(users))
    write("etc/group", "".join(f"{user}:x:{uid}:\n" for user, uid in USERS.items()) + "nogroup:x:65534:\n")
    write("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
    write("etc/hosts", "127.0.0.1 localhost\n")
    if not (root / "bin/sh").exists():
        (root / "bin/sh").symlink_to("dash")
    write("etc/ssh/sshd_config", _SSHD.format(path=_PATH))
    write("etc/ssh/host_key", (out / "host_key").read_text(), 0o600)
    write("etc/ssh/keys", (out / "id.pub").read_text())
    # bash reads it for a command over ssh too.
    write("home/pi/.bashrc", "echo 'Welcome to your Pi!'\n")
    write("opt/bare/python3", '#!/bin/sh\nexec /usr/bin/python3 -S "$@"\n', 0o755)
    write("opt/oldlibc/python3", '#!/bin/sh\nPYTHONPATH=/opt/oldlibc/lib exec /usr/bin/python3 "$@"\n', 0o755)
    message = "/lib/aarch64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by libLiteRt.so)"
    write("opt/oldlibc/lib/ai_edge_litert/__init__.py", f"raise ImportError({message!r})\n")
    hidden = root / "opt/nopython"
    hidden.mkdir()
    for program in [*(root / "bin").iterdir(), *(root / "usr/bin").iterdir()]:
        if not program.name.startswith(("python", "py3")) and not (hidden / program.name).is_symlink():
            (hidden / program.name).symlink_to(f"/{program.relative_to(root)}")
    # Compiled here, if this is the same Python: the emulated processor would take seconds at each start.
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == PYTHON:
        library = (root / f"usr/lib/python{PYTHON}", root / _SITE)
        subprocess.run(
            [sys.executable, "-m", "compileall", "-q", "-j2", "-s", root, "-p", "/", *library], capture_output=True
        )


def _initrd(folder: Path, kernel: Path, out: Path) -> None:
    for name in ("bin", "proc", "sys", "dev", "mnt", "lib"):
        (folder / name).mkdir(parents=True)
    busybox = next(file for file in (kernel / "bin/busybox", kernel / "usr/bin/busybox") if file.is_file())
    shutil.copy(busybox, folder / "bin/busybox")
    (folder / "bin/busybox").chmod(0o755)
    for name in _MODULES:
        for module in kernel.rglob(f"{name}.ko*"):
            shutil.copy(module, folder / "lib" / module.name)
            if module.suffix == ".xz":
                _run("xz", "-d", folder / "lib" / module.name)
    owners = "\n".join(f"chown -R {uid}:{uid} /mnt/home/{user}" for user, uid in USERS.items() if uid)
    (folder / "init").write_text(_INIT.format(modules=" ".join(_MODULES), owners=owners))
    (folder / "init").chmod(0o755)
    names = "\0".join(str(file.relative_to(folder)) for file in sorted(folder.rglob("*"))) + "\0"
    archive = subprocess.run(
        ["cpio", "-o", "-0", "-H", "newc", "-R", "0:0"],
        input=names.encode(),
        capture_output=True,
        cwd=folder,
        check=True,
    )
    packed = subprocess.run(["gzip", "-1"], input=archive.stdout, capture_output=True, check=True)
    out.write_bytes(packed.stdout)
