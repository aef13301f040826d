"""The ssh transport against a real sshd: what comes back, what is told of each failure, and that no name is ever executed."""

from __future__ import annotations

import os
import shlex
import tempfile
import threading
import time
from pathlib import Path

import pytest
from tests.devices.vm import Machine

from edgekit.bench.targets import ssh
from edgekit.errors import TargetError, UsageError
from edgekit.recipe import addresses
from edgekit.recipe.addresses import Address

pytestmark = pytest.mark.device

HOSTILE = [
    "a b",
    "a'b\"c",
    "a;touch canary",
    "$(touch canary)",
    "`touch canary`",
    "-oProxyCommand=touch canary",
    "a\ntouch canary",
]
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG6dPvN1yVPGsNc2yMPxOLYHq4cnCLAuyUMd1Yh5mZ2e"


def connect(user: str, **settings) -> ssh.Ssh:
    return ssh.connect(addresses.parse(f"ssh://{user}"), **settings)


@pytest.fixture
def pi(machine: Machine) -> ssh.Ssh:
    return connect("pi")


def test_first_contact_finds_home_interpreter_and_timeout(pi: ssh.Ssh):
    assert (pi.base, pi.python, pi.bounded) == ("/home/pi/.cache/edgekit", "/usr/bin/python3", True)
    assert connect("nopython").python is None
    assert connect("bare", python="/usr/bin/python3").python == "/usr/bin/python3"
    with pytest.raises(TargetError, match="no program 'python2'"):
        connect("pi", python="python2")


def test_output_and_status_are_the_scripts_own(pi: ssh.Ssh):
    """pi's .bashrc prints a line before each of them."""
    done = pi.run("echo a; printf 'b\\n\\377' ; echo c >&2; exit 3", timeout_s=20)
    assert (done.status, done.stdout, done.stderr) == (3, b"a\nb\n\xff", b"c\n")
    assert pi.run("exit 255", timeout_s=20).status == 255


def test_a_login_shell_that_is_no_posix_shell_changes_nothing(machine: Machine):
    done = connect("csh").run("x='a!b\\\\ \"c\"\n%s é'\nprintf '%s' \"$x\"; echo $0", timeout_s=20)
    assert done.stdout.decode() == 'a!b\\\\ "c"\n%s ésh\n'


def test_commands_share_one_connection(pi: ssh.Ssh):
    ports = {transport.run("echo $SSH_CONNECTION", timeout_s=20).stdout for transport in (pi, connect("pi"))}
    assert len(ports) == 1
    begin = time.monotonic()
    pi.run("true", timeout_s=20)
    assert time.monotonic() - begin < 3


def test_files_come_back_as_they_went(pi: ssh.Ssh, machine: Machine, tmp_path):
    contents = {"empty": b"", "small": b"\0\r\n\xff", "large": os.urandom(3_000_000)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    folder = f"/home/pi/-{''.join(HOSTILE[:5])}\n{'long' * 50}"
    assert pi.run(f"mkdir {shlex.quote(folder)}", timeout_s=20).status == 0
    pi.push({f"{folder}/{name}\n$(touch canary)": tmp_path / name for name in contents}, timeout_s=60)
    for name, content in contents.items():
        assert pi.pull(f"{folder}/{name}\n$(touch canary)", timeout_s=60) == content
    listed = machine.shell("stat -c %a:%U /home/pi/-*/*; find /root /home /tmp -name canary")
    assert listed.split()[-3:] == ["644:pi"] * 3
    machine.shell("rm -r /home/pi/-*", user="pi")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_and_never_executed(name: str, machine: Machine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in (f"ssh://{name}", f"ssh://{name}@pi"):
        with pytest.raises(UsageError):
            addresses.parse(text)
    # And should one get through:
    for parts in ({"host": name}, {"host": "pi", "user": name}):
        with pytest.raises(TargetError):
            ssh.connect(Address(text="ssh://hostile", kind="ssh", **parts))
    assert not list(tmp_path.iterdir())
    assert "canary" not in machine.shell("find /root /home /tmp -name 'canary*'")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"Port": "1"}, "refuses connections: no SSH server"),
        ({"HostName": "no-such-host.invalid"}, "host name that nothing resolves"),
        ({"IdentityFile": "/nonexistent", "IdentityAgent": "none"}, "does not accept your SSH key.*ssh-copy-id"),
        ({"known": ""}, "host key that is not known here. Run `ssh -F .* pi` once and compare the fingerprint"),
        ({"known": OTHER_KEY}, "shows a different host key than the recorded one.*ssh-keygen -R"),
        ({"NoSuchOption": "1"}, "ssh cannot use its configuration"),
    ],
)
def test_each_failure_is_one_line_that_says_what_to_do(settings, message, machine: Machine):
    with pytest.raises(TargetError, match=message) as caught:
        connect("pi", config=machine.write_config("faulty", **settings))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 8


def test_a_configuration_that_is_not_there(tmp_path):
    with pytest.raises(TargetError, match="cannot be read: No such file"):
        connect("pi", config=tmp_path / "nothing")


def test_sockets_that_others_could_use_are_refused(monkeypatch):
    with tempfile.TemporaryDirectory(prefix="ek-") as short:
        folder = Path(short, f"edgekit-{os.getuid()}")
        folder.mkdir()
        folder.chmod(0o755)
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        with pytest.raises(TargetError, match="mode 700"):
            connect("pi")
        folder.rmdir()
        folder.symlink_to(Path.home())
        with pytest.raises(TargetError, match="mode 700"):
            connect("pi")


def test_a_full_disk_a_forbidden_folder_and_a_missing_file(pi: ssh.Ssh, machine: Machine, tmp_path):
    (tmp_path / "large").write_bytes(bytes(3_000_000))
    with pytest.raises(TargetError, match="No space left on ssh://full"):
        connect("full").push({"/home/full/large": tmp_path / "large"}, timeout_s=60)
    machine.shell("rm -f large", user="full")
    with pytest.raises(TargetError, match=r"could not store what was sent: .*(denied|No such)"):
        pi.push({"/etc/large": tmp_path / "large"}, timeout_s=60)
    with pytest.raises(TargetError, match="nothing cannot be read on ssh://pi"):
        pi.pull("/home/pi/nothing", timeout_s=20)


def test_a_script_that_does_not_end_is_given_up(pi: ssh.Ssh):
    begin = time.monotonic()
    with pytest.raises(TargetError, match=r"ssh://pi: .*within 1 s"):
        pi.run("sleep 60", timeout_s=1)
    assert time.monotonic() - begin < 5


def test_a_connection_cut_in_mid_push_and_mid_pull_is_noticed(pi: ssh.Ssh, machine: Machine, tmp_path):
    (tmp_path / "large").write_bytes(os.urandom(60_000_000))
    pi.run("head -c 60000000 /dev/zero >/home/pi/zeros", timeout_s=60)

    def cut() -> threading.Timer:
        timer = threading.Timer(0.7, lambda: machine.shell("pkill -KILL -u pi sshd"))
        timer.start()
        return timer

    timer = cut()
    with pytest.raises(TargetError, match="ssh://pi vanished while files were sent"):
        pi.push({"/home/pi/large": tmp_path / "large"}, timeout_s=60)
    timer.join()
    pi.run("true", timeout_s=30)
    timer = cut()
    with pytest.raises(TargetError, match="ssh://pi vanished while /home/pi/zeros was fetched"):
        pi.pull("/home/pi/zeros", timeout_s=60)
    timer.join()
    machine.shell("rm -f large zeros", user="pi")


def test_a_device_that_falls_silent_is_given_up_and_found_again(machine: Machine):
    pi = connect("pi", config=machine.hasty)
    silent = machine.when_running("sleep 60", machine.suspend)
    begin = time.monotonic()
    try:
        done = pi.run("sleep 60; echo end", timeout_s=30)
        assert (done.status, done.stdout) == (255, b"")
        with pytest.raises(TargetError, match=r"does not answer\. Is it switched on"):
            connect("pi", config=machine.hasty)
        assert time.monotonic() - begin < 25
    finally:
        silent.join()
        machine.resume()
    assert connect("pi", config=machine.hasty).run("echo back", timeout_s=30).stdout == b"back\n"
