"""The list of what is attached, where something does not work."""

from edgekit.bench import devices


def test_a_broken_adb_is_a_row_of_the_list(tmp_path, monkeypatch):
    program = tmp_path / "adb"
    program.write_text("#!/bin/sh\necho 'error: cannot connect to daemon' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = {device.target: device for device in devices.devices()}
    assert list(found) == ["host", "adb"]
    assert found["host"].state == "ready"
    assert (found["adb"].state, found["adb"].fix) == (
        "not reached",
        "`adb devices` failed: error: cannot connect to daemon.",
    )
