"""Android over the real adb client: a phone of our own in order, and in every way out of order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.devices.adb_fixtures import AdbServer, Phone

from edgekit.bench import adb_devices, android
from edgekit.bench.targets import adb
from edgekit.bench.workspace import workspace
from edgekit.errors import TargetError
from edgekit.recipe import addresses
from edgekit.recipe.addresses import Address

pytestmark = pytest.mark.device

CANARY = "canary-of-edgekit"
HOSTILE = [
    "two words",
    "quo'te\"s",
    f"a;touch {CANARY}",
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    "new\nline",
    "-rf",
    "back\\slash $HOME *",
    "ünï",
]
# Another process that works on the phone until it is stopped.
WORKER = """
import sys
from edgekit.bench import android
from edgekit.bench.targets import adb
from edgekit.bench.workspace import workspace
from edgekit.recipe import addresses
transport = adb.connect(addresses.parse("adb"))
with android.fixed_performance(transport), workspace(transport) as space:
    print(space.folder, flush=True)
    space.run(["sleep", "4329"], timeout_s=300)
"""

# The same, in mid-push.
PUSHER = """
import sys
from pathlib import Path
from edgekit.bench.targets import adb
from edgekit.bench.workspace import workspace
from edgekit.recipe import addresses
with workspace(adb.connect(addresses.parse("adb"))) as space:
    space.push({f"x{number}.bin": Path(sys.argv[1]) for number in range(9)})
"""


def connect(phone: Phone) -> adb.Adb:
    return adb.connect(addresses.parse(f"adb:{phone.serial}"))


def sleepers() -> list[str]:
    """The programs that tests leave to run long, of all phones."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"4329" in line and line[0].endswith(b"sleep"):
            found.append(entry.parent.name)
    return found


def comes(condition, within_s: float = 15.0) -> bool:
    """Whether it becomes true in time."""
    end = time.monotonic() + within_s
    while not (now := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return bool(now)


def modes(phone: Phone) -> list[str]:
    """What fixed-performance mode was set to, one after the other."""
    path = phone.root / "data/fixed-performance"
    return path.read_text().split() if path.exists() else []


@pytest.fixture
def android_phone(phone: Phone) -> adb.Adb:
    return connect(phone)


@pytest.fixture
def attach(no_phone: AdbServer, tmp_path: Path):
    """Attach a phone with faults to a server that has no other."""
    phones: list[Phone] = []

    def one(*faults: str, storage: str = "") -> Phone:
        root = tmp_path / f"phone{len(phones)}"
        root.mkdir()
        phones.append(Phone(no_phone, root, *faults, storage=storage))
        return phones[-1]

    yield one
    for each in phones:
        each.stop()


def test_first_contact(phone: Phone, android_phone: adb.Adb):
    (listed,) = adb_devices.attached()
    assert (listed.serial, listed.state, listed.fix) == (phone.serial, "device", None)
    assert listed.facts["model"] == "EdgeKit_Phone"
    assert android_phone.base == "/data/local/tmp/edgekit"
    assert android_phone.bounded and android_phone.python is None
    assert adb.connect(addresses.parse("adb")).text == "adb"
    assert adb_devices.usb_devices_present()


def test_output_and_status_are_the_scripts_own(android_phone: adb.Adb):
    done = android_phone.run("printf 'a\\0b\\r\\n'; echo no >&2; exit 7", timeout_s=10)
    assert (done.status, done.stdout, done.stderr) == (7, b"a\0b\r\n", b"no\n")
    assert android_phone.run("(exit 3) & wait $!", timeout_s=10).status == 3
    assert android_phone.run("true", timeout_s=10).stdout == b""
    assert android_phone.run("if then", timeout_s=10).status != 0
    assert android_phone.run("-n", timeout_s=10).status == 127


def test_files_come_back_as_they_went(android_phone: adb.Adb, phone: Phone, tmp_path: Path):
    contents = {"empty": b"", "large": os.urandom(3_000_000), "text": b"\r\n\0\xff" * 100}
    android_phone.run(f"mkdir -p {android_phone.base}/files", timeout_s=10)
    local = {}
    for number, (name, content) in enumerate(contents.items()):
        path = tmp_path / f"{number}"
        path.write_bytes(content)
        local[f"{android_phone.base}/files/{name}"] = path
    android_phone.push(local, timeout_s=20)
    for name, content in contents.items():
        assert (phone.root / "data/local/tmp/edgekit/files" / name).read_bytes() == content
        assert android_phone.pull(f"{android_phone.base}/files/{name}", timeout_s=20) == content
    with pytest.raises(TargetError, match=r"nowhere cannot be read on adb:.*[Nn]o such file"):
        android_phone.pull(f"{android_phone.base}/nowhere", timeout_s=10)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_never_executed(name: str, phone: Phone, android_phone: adb.Adb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = tmp_path / name
    source.write_bytes(b"abc")
    there = f"{android_phone.base}/{name}"
    android_phone.run(f"mkdir -p {android_phone.base}", timeout_s=10)
    android_phone.push({there: source}, timeout_s=10)
    assert android_phone.pull(there, timeout_s=10) == b"abc"
    (phone.root / "data/local/tmp/edgekit" / name).unlink()
    with workspace(android_phone) as space:
        assert space.run(["printf", "%s|%s", "-n", name], timeout_s=10).stdout.decode() == f"-n|{name}"
        assert space.run([name], timeout_s=10).status != 0
    with pytest.raises(TargetError, match="No Android device"):
        adb.connect(Address(text="adb:x", kind="adb", serial=name))
    assert not list(tmp_path.rglob(CANARY)) and not list((phone.root / "data").rglob(CANARY))


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_the_folder_goes_when_the_block_ends(error, phone: Phone, android_phone: adb.Adb):
    try:
        with workspace(android_phone) as space:
            space.push({"x": b"abc"}, executable=["x"])
            assert space.pull("x") == b"abc"
            assert [f"{android_phone.base}/{name}" for name in phone.work] == [space.folder]
            if error is not None:
                raise error
    except (RuntimeError, KeyboardInterrupt):
        assert error is not None
    assert not phone.work


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_folder_programs_and_mode_end_when_we_are_stopped(number, phone: Phone):
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with worker:
        assert worker.stdout is not None
        assert worker.stdout.readline().startswith("/data/local/tmp/edgekit/work-")
        assert comes(sleepers) and phone.work and modes(phone)[-1] == "true"
        worker.send_signal(number)
    assert comes(lambda: not phone.work and not sleepers() and modes(phone)[-1] == "false")


def test_nothing_stays_when_we_are_killed_in_mid_push(attach, tmp_path: Path):
    phone = attach("--slow")
    (tmp_path / "x").write_bytes(bytes(400_000))
    source = tmp_path / "worker.py"
    source.write_text(PUSHER)
    worker = subprocess.Popen([sys.executable, str(source), str(tmp_path / "x")], stderr=subprocess.DEVNULL)
    assert comes(lambda: any(phone.root.glob("data/local/tmp/edgekit/work-*/x0.bin")))
    worker.kill()
    worker.wait()
    assert comes(lambda: not phone.work)
    time.sleep(1.0)  # what was under way is over
    assert not phone.work


def test_a_program_that_hangs_is_stopped_there(phone: Phone, android_phone: adb.Adb):
    with workspace(android_phone) as space, pytest.raises(TargetError, match="did not end within 1 s and was stopped"):
        space.run(["sleep", "4329"], timeout_s=1)
    assert comes(lambda: not sleepers())


def test_a_script_that_does_not_end_is_given_up(android_phone: adb.Adb):
    with pytest.raises(TargetError, match=r"^adb:.* did not end within 1 s"):
        android_phone.run("sleep 20", timeout_s=1)


def test_a_large_file_is_sent_once_and_a_stale_one_is_noticed(phone: Phone, android_phone: adb.Adb):
    content = os.urandom(1 << 20)
    cache = phone.root / "data/local/tmp/edgekit/cache"
    before = set(cache.glob("*"))  # other tests' files
    for _ in range(2):
        with workspace(android_phone) as space:
            space.push({"m0.tflite": content}, cached=["m0.tflite"])
            sent = space.pushed_bytes
    assert sent == 0
    (cached,) = set(cache.iterdir()) - before
    cached.write_bytes(bytes(1 << 20))  # of the same size
    with workspace(android_phone) as space:
        space.push({"m0.tflite": content}, cached=["m0.tflite"])
        assert space.pushed_bytes == 1 << 20
        assert space.pull("m0.tflite") == content
    cached.unlink()


def test_fixed_performance_mode_is_on_for_the_block_alone(phone: Phone, android_phone: adb.Adb):
    before = len(modes(phone))
    with android.fixed_performance(android_phone):
        assert modes(phone)[before:] == ["true"]
    with pytest.raises(KeyboardInterrupt), android.fixed_performance(android_phone):
        raise KeyboardInterrupt
    assert modes(phone)[before:] == ["true", "false", "true", "false"]


@pytest.mark.parametrize(("hal", "message"), [("old", "Unknown command"), ("none", "Failed to set FIXED_PERFORMANCE")])
def test_a_device_without_fixed_performance_mode_is_reported(hal, message, phone: Phone, android_phone: adb.Adb):
    switch = phone.root / "data/power-hal"
    switch.write_text(f"{hal}\n")
    try:
        with pytest.raises(TargetError, match=message), android.fixed_performance(android_phone):
            pytest.fail("the block was entered")
    finally:
        switch.write_text("fine\n")


def test_no_device(no_phone: AdbServer):
    assert adb_devices.attached() == []
    with pytest.raises(TargetError, match="No Android device is attached"):
        adb.connect(addresses.parse("adb"))
    with pytest.raises(TargetError, match=r"No Android device '10.0.0.9:5555' is attached.*adb connect 10.0.0.9:5555"):
        adb.connect(addresses.parse("adb:10.0.0.9:5555"))


def test_of_two_devices_none_is_guessed(attach, monkeypatch):
    first, second = attach(), attach()
    monkeypatch.setenv("ANDROID_SERIAL", first.serial)
    with pytest.raises(TargetError, match=r"Several .* \(device\), .* \(device\)\. Name one: adb:SERIAL"):
        adb.connect(addresses.parse("adb"))
    with workspace(connect(second)):
        assert second.work and not first.work


def test_an_unauthorized_device(attach):
    phone = attach("--unauthorized")
    assert [each.state for each in adb_devices.attached()] == ["unauthorized"]
    with pytest.raises(TargetError, match=r"is not ready \(unauthorized\): unlock it and accept"):
        connect(phone)
    with pytest.raises(TargetError, match=r"is not ready \(unauthorized\): unlock it and accept"):
        adb.connect(addresses.parse("adb"))


def test_old_devices_are_refused(attach):
    with pytest.raises(TargetError, match="Android 6 or older"):
        connect(attach("--features", ""))
    phone = attach()
    (phone.root / "system/bin/sha256sum").unlink()
    with pytest.raises(TargetError, match="Android 7 or older"):
        connect(phone)


def test_a_full_device(attach):
    transport = connect(attach(storage="size=4m"))
    with workspace(transport) as space:
        with pytest.raises(TargetError, match=r"No space left on adb:.* free some there"):
            space.push({"x0.bin": bytes(8 << 20)})
        space.push({"small": b"abc"})
    assert transport.run("ls /data/local/tmp/edgekit", timeout_s=10).stdout == b""


def test_a_read_only_device(attach):
    with (
        pytest.raises(TargetError, match=r"No folder could be created on adb:.*Read-only"),
        workspace(connect(attach(storage="ro"))),
    ):
        pytest.fail("the block was entered")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("Permission denied", "does not let adb write /data/local/tmp/edgekit/work-"),
        ("Read-only file system", "on a read-only file system"),
        ("Input/output error", "could not store what was sent .*Input/output error"),
    ],
)
def test_a_device_that_stores_nothing(said, message, attach):
    phone = attach("--refuse", said)
    with pytest.raises(TargetError, match=message), workspace(connect(phone)) as space:
        space.push({"x": b"abc"})
    assert not phone.work


def test_a_device_that_stores_other_bytes(attach):
    phone = attach("--corrupt")
    with (
        pytest.raises(TargetError, match=r"m0.tflite on adb:.* differs from the file that was sent"),
        workspace(connect(phone)) as space,
    ):
        space.push({"m0.tflite": bytes(2 << 20)}, cached=["m0.tflite"])
    assert not phone.work and not (phone.root / "data/local/tmp/edgekit/cache").exists()


def test_a_device_that_vanishes_in_mid_push(attach):
    phone = attach("--vanish-in", "1000000")
    transport = connect(phone)
    with pytest.raises(TargetError, match=r"^adb:.* while files were sent to it"), workspace(transport) as space:
        space.push({"m0.tflite": bytes(2 << 20)}, cached=["m0.tflite"])
    assert comes(lambda: not phone.work)


def test_a_device_that_vanishes_in_mid_pull(attach):
    phone = attach("--vanish-out", "1000000")
    with pytest.raises(TargetError, match=r"^adb:.* while .*/y0.bin was fetched"), workspace(connect(phone)) as space:
        assert space.run(["sh", "-c", "head -c 2000000 /dev/zero >y0.bin"], timeout_s=20).status == 0
        space.pull("y0.bin")
    assert comes(lambda: not phone.work)


def test_a_device_that_vanishes_in_mid_run_cleans_itself_and_can_come_back(attach):
    phone = attach()
    transport = connect(phone)
    with (
        pytest.raises(TargetError, match=r"^adb:.* while a command ran there"),
        android.fixed_performance(transport),
        workspace(transport) as space,
    ):
        unplugging = threading.Thread(target=lambda: (comes(lambda: bool(sleepers())), phone.unplug()))
        unplugging.start()
        space.run(["sleep", "4329"], timeout_s=60)
    unplugging.join()
    assert comes(lambda: not phone.work and not sleepers() and modes(phone)[-1] == "false")
    with pytest.raises(TargetError, match=r"is not ready \(offline\): unplug it|No Android device .* is attached"):
        connect(phone)
    with pytest.raises(TargetError, match=r"vanished before a command ran there"), workspace(transport):
        pytest.fail("the block was entered")
    phone.plug()
    with workspace(transport) as space:
        assert space.run(["echo", "back"], timeout_s=10).stdout == b"back\n"
    assert not phone.work
