"""The folder on the device: gone in every case, its programs with it; files checked there, large ones sent once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from tests.devices.vm import Machine

from edgekit.bench.cache import CACHED_BYTES
from edgekit.bench.targets import ssh
from edgekit.bench.workspace import workspace
from edgekit.errors import TargetError
from edgekit.recipe import addresses

pytestmark = pytest.mark.device

# Another process that works on the device until it is told to stop.
WORKER = """
import sys
from edgekit.recipe import addresses
from edgekit.bench.cache import CACHED_BYTES
from edgekit.bench.targets import ssh
from edgekit.bench.workspace import workspace
with workspace(ssh.connect(addresses.parse("ssh://pi"))) as space:
    print(space.folder, flush=True)
    space.run(["sleep", "4321"], timeout_s=300)
"""


@pytest.fixture
def pi(machine: Machine) -> ssh.Ssh:
    return ssh.connect(addresses.parse("ssh://pi"))


def left(machine: Machine) -> str:
    """Folders and programs of ours that are still on the device after a moment."""
    end = time.monotonic() + 15
    while True:
        found = machine.shell("ls -d /home/*/.cache/edgekit/work-* 2>/dev/null; pgrep -fa '[s]leep 4321'; true")
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.2)


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_the_folder_goes_when_the_block_ends(error, pi: ssh.Ssh, machine: Machine):
    try:
        with workspace(pi) as space:
            space.push({"x": b"abc"})
            assert space.pull("x") == b"abc"
            assert space.folder.startswith("/home/pi/.cache/edgekit/work-")
            assert "x" in machine.shell(f"ls {space.folder}")
            if error is not None:
                raise error
    except (RuntimeError, KeyboardInterrupt):
        assert error is not None
    assert "work-" not in machine.shell("ls /home/pi/.cache/edgekit")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_folder_and_its_programs_go_when_we_are_stopped(number, machine: Machine):
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with worker:
        assert worker.stdout is not None
        folder = worker.stdout.readline().strip()
        while "sleep" not in machine.shell("pgrep -a sleep || true"):
            time.sleep(0.2)
        assert folder in machine.shell("ls -d /home/pi/.cache/edgekit/work-*")
        worker.send_signal(number)
    assert not left(machine)


@pytest.mark.parametrize("program", [["sleep", "4321"], ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]])
def test_a_program_that_hangs_is_stopped_there(program, pi: ssh.Ssh, machine: Machine):
    with workspace(pi) as space:
        with pytest.raises(TargetError, match=r"on ssh://pi did not end within 1 s and was stopped"):
            space.run(program, timeout_s=1)
        assert not machine.shell("pgrep -fa '[s]leep 4321'; pgrep -fa '[t]rap .* TERM; while'; true")


def test_a_device_that_vanishes_in_mid_run(pi: ssh.Ssh, machine: Machine):
    with pytest.raises(TargetError, match=r"ssh://pi vanished while sleep ran there"), workspace(pi) as space:
        cut = machine.when_running("sleep 4321", lambda: machine.shell("pkill -KILL -u pi sshd"))
        space.run(["sleep", "4321"], timeout_s=60)
    cut.join()
    assert not left(machine)


def test_a_device_that_falls_silent_cleans_up_when_it_is_back(machine: Machine):
    hasty = ssh.connect(addresses.parse("ssh://pi"), config=machine.hasty)
    begin = time.monotonic()
    try:
        with pytest.raises(TargetError, match=r"ssh://pi vanished while sleep ran there"), workspace(hasty) as space:
            silent = machine.when_running("sleep 4321", machine.suspend)
            space.run(["sleep", "4321"], timeout_s=60)
        assert time.monotonic() - begin < 30
    finally:
        silent.join()
        machine.resume()
    assert not left(machine)


def test_a_device_that_vanishes_in_mid_push(pi: ssh.Ssh, machine: Machine):
    with pytest.raises(TargetError, match=r"ssh://pi (vanished|could not be reached)"), workspace(pi) as space:
        timer = threading.Timer(1.5, lambda: machine.shell("pkill -KILL -u pi sshd"))
        timer.start()
        space.push({"x": os.urandom(60_000_000)})
    timer.join()
    assert not left(machine)


def test_a_large_file_is_sent_once(pi: ssh.Ssh, tmp_path):
    (tmp_path / "large").write_bytes(os.urandom(20_000_000))
    sent = []
    for _ in range(2):
        with workspace(pi) as space:
            space.push({"m0.tflite": tmp_path / "large", "x0.bin": b"abc"}, cached=["m0.tflite"])
            sent.append(space.pushed_bytes)
    assert sent == [20_000_003, 3]


def test_a_stale_file_of_the_same_size_is_not_used(pi: ssh.Ssh, machine: Machine):
    content = bytes(CACHED_BYTES)
    spoil = "for f in .cache/edgekit/cache/*; do printf x | dd of=$f seek=999 bs=1 conv=notrunc 2>/dev/null; done"
    for script in (spoil, "rm -r .cache/edgekit/cache; mkdir -p .cache/edgekit/cache"):
        with workspace(pi) as space:
            space.push({"m0.tflite": content}, cached=["m0.tflite"])
        machine.shell(script, user="pi")
        with workspace(pi) as space:
            space.push({"m0.tflite": content}, cached=["m0.tflite"])
            assert space.pushed_bytes == len(content)
            assert space.pull("m0.tflite") == content


def test_words_reach_the_program_as_they_are(pi: ssh.Ssh):
    words = ["a b", "$(touch canary)", "-n", "'\"", "; touch canary", "new\nline", "`x`", "\\", "é", ""]
    with workspace(pi) as space:
        done = space.run(["printf", "<%s>", *words, "$V"], timeout_s=20, environment={"V": "$(touch canary)"})
        assert done.stdout.decode() == "".join(f"<{word}>" for word in [*words, "$V"])
        assert space.run(["printenv", "V"], timeout_s=20, environment={"V": "$(x) ;"}).stdout == b"$(x) ;\n"
        assert b"canary" not in space.run(["ls", "-A"], timeout_s=20).stdout
        for name in ("../x", "a b", "-x", "", "x\ny"):
            with pytest.raises(ValueError, match="plain"):
                space.path(name)


def test_a_programs_own_failure_is_returned(pi: ssh.Ssh):
    with workspace(pi) as space:
        done = space.run(["sh", "-c", "echo out; echo err >&2; exit 255"], timeout_s=20)
        assert (done.status, done.stdout, done.stderr) == (255, b"out\n", b"err\n")
        done = space.run(["no-such-program"], timeout_s=20)
        assert done.status == 127
        assert "no-such-program" in done.last_line


def test_a_full_disk_and_a_folder_that_cannot_be_made(machine: Machine):
    full = ssh.connect(addresses.parse("ssh://full"))
    with pytest.raises(TargetError, match="No space left on ssh://full"), workspace(full) as space:
        space.push({"x": bytes(3_000_000)})
    assert not left(machine)
    machine.shell("rm -r .cache; chmod 500 .", user="full")
    try:
        with (
            pytest.raises(TargetError, match=r"No folder could be created on ssh://full: .*Permission denied"),
            workspace(full),
        ):
            pass
    finally:
        machine.shell("chmod 700 .", user="full")
