"""What adb says of attached devices, read without one; the states in which nothing runs, each with what to do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from edgekit.bench import adb_devices
from edgekit.bench.targets import adb
from edgekit.errors import TargetError
from edgekit.recipe import addresses

# As adb 29 and newer ones write it, with -l and without.
LISTED = """* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
HT7C51A00001           device usb:1-1.4 product:walleye model:Pixel_2 device:walleye transport_id:3
emulator-5554          offline transport_id:1
R58M12ABCDE            unauthorized usb:1-2 transport_id:2
0123456789ABCDEF       no permissions (user in plugdev group; are your udev rules wrong?); see [http://developer.android.com/tools/device.html] usb:3-1 transport_id:5
????????????           no permissions (missing udev rules? user is in the plugdev group)
(no serial number)     no permissions usb:3-2 transport_id:6
adb-X1-AbCd (2)._adb-tls-connect._tcp device product:p model:m device:d transport_id:9
192.168.1.7:5555\trecovery
device                 sideload
abc                    authorizing transport_id:8

"""  # noqa: E501


def test_each_line_of_the_list_is_read():
    found = {each.serial: each for each in adb_devices.parse_devices(LISTED)}
    assert {serial: each.state for serial, each in found.items()} == {
        "HT7C51A00001": "device",
        "emulator-5554": "offline",
        "R58M12ABCDE": "unauthorized",
        "0123456789ABCDEF": "no permissions",
        "????????????": "no permissions",
        "(no serial number)": "no permissions",
        # adb:SERIAL cannot name it.
        "adb-X1-AbCd (2)._adb-tls-connect._tcp": "odd serial number",
        "192.168.1.7:5555": "recovery",
        "device": "sideload",
        "abc": "authorizing",
    }
    assert found["HT7C51A00001"].facts == {
        "usb": "1-1.4",
        "product": "walleye",
        "model": "Pixel_2",
        "device": "walleye",
        "transport_id": "3",
    }
    assert found["0123456789ABCDEF"].facts == {"usb": "3-1", "transport_id": "5"}
    assert adb_devices.parse_devices("List of devices attached\n\n") == []


@pytest.mark.parametrize(
    ("state", "fix"),
    [
        ("unauthorized", "on its screen"),
        ("offline", "adb reconnect"),
        ("no permissions", "udev"),
        ("recovery", "adb reboot"),
        ("bootloader", "fastboot reboot"),
        ("unknown", "plug it in again"),
        ("a state to come", "plug it in again"),
    ],
)
def test_each_state_has_a_fix(state: str, fix: str):
    assert fix in (adb_devices.Attached(serial="x", state=state).fix or "")


def test_a_device_that_is_ready_needs_none():
    assert adb_devices.Attached(serial="x", state="device").fix is None


@pytest.fixture
def path_with_adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put an adb on the PATH that runs a script and nothing else there."""

    def put(script: str) -> None:
        program = tmp_path / "adb"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return put


def test_a_device_in_another_state_is_not_used(path_with_adb):
    path_with_adb("echo 'R58M12ABCDE            no permissions usb:1-2 transport_id:2'")
    for target in ("adb", "adb:R58M12ABCDE"):
        with pytest.raises(
            TargetError, match=r"The Android device R58M12ABCDE is not ready \(no permissions\): give your user"
        ):
            adb.connect(addresses.parse(target))


def test_an_adb_that_fails_is_reported(path_with_adb):
    path_with_adb("echo '* daemon not running'; echo 'error: cannot connect to daemon' >&2; exit 1")
    with pytest.raises(TargetError, match=r"^`adb devices` failed: error: cannot connect to daemon\.$"):
        adb_devices.attached()


def test_a_missing_adb_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not adb_devices.installed()
    with pytest.raises(TargetError, match=r"adb is not installed.*apt install adb"):
        adb_devices.attached()


def test_a_phone_at_the_usb_is_seen_without_a_server(monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(taken.getsockname()[1]))
    for interface, ids in {"1-1:1.0": ("06", "01", "01"), "1-1:1.1": ("ff", "42", "01")}.items():
        assert not adb_devices.usb_devices_present(sysfs=tmp_path)
        folder = tmp_path / interface
        folder.mkdir()
        for name, value in zip(("Class", "SubClass", "Protocol"), ids, strict=True):
            (folder / f"bInterface{name}").write_text(f"{value}\n")
    assert adb_devices.usb_devices_present(sysfs=tmp_path)


def test_a_server_that_runs_is_asked(monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(server.getsockname()[1]))
        assert not adb_devices.usb_devices_present(sysfs=tmp_path)  # something else listens there, and is silent
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "no number")
    assert not adb_devices.usb_devices_present(sysfs=tmp_path)
