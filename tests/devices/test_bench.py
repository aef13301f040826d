"""The command line on attached devices: what is printed, kept and left behind, also when something goes wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import REPOSITORY
from tests.devices import crossed

pytestmark = pytest.mark.device

STUDENT = REPOSITORY / "models" / "fashion-mnist-s-int8" / "model_int8.tflite"
DATA = ["--data", "fashion-mnist-mini", "--samples", "200", "--threads", "1"]


def edgekit(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgekit", *map(str, arguments)], capture_output=True, text=True, timeout=300
    )


def left(machine, user: str = "pi") -> list[str]:
    """What a user's home still has of edgekit, besides the cache."""
    home = f"/home/{user}/.cache/edgekit"
    return machine.shell(f"ls {home} 2>/dev/null | grep -v '^cache$'; pgrep -f '[r]unner' || true").split()


@pytest.fixture(scope="module")
def arm64_library() -> Path:
    try:
        return crossed.litert_library_arm64()
    except RuntimeError as error:
        crossed.unavailable(error)


def test_two_targets_side_by_side(machine, tmp_path):
    done = edgekit(
        "bench", STUDENT, *DATA, "--target", "host", "--target", "ssh://pi", "--profile", "--out", tmp_path / "b.json"
    )
    assert done.returncode == 0, done.stderr
    assert "ssh://pi: linux,dummy-virt" in done.stdout
    assert "(EMULATED)" in done.stdout
    assert "accuracy 0.9" in done.stdout
    here, there = json.loads((tmp_path / "b.json").read_text())["measurements"]
    assert (here["target"], there["target"]) == ("host", "ssh://pi")
    assert here["accuracy"] == there["accuracy"]
    assert here["parity"] is None
    assert (there["parity"]["agreement"], there["parity"]["holds"], there["parity"]["allowed"]) == (1, True, 1)
    assert there["emulated"] is True
    assert there["invalid_reason"].startswith("emulated")
    assert there["device"]["machine"] == "aarch64"
    assert there["runs"] == len(there["latencies_ns"]) >= 100
    assert there["profile"][-1]["type"] == "SOFTMAX"
    assert sum(row["share"] for row in there["profile"]) == pytest.approx(1)
    assert left(machine) == []


def test_a_target_that_fails_costs_only_its_own_rows(machine):
    done = edgekit("bench", STUDENT, *DATA, "--target", "ssh://bare", "--target", "host")
    assert done.returncode == 8
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert "edgekit setup-device ssh://bare" in error
    assert "host: " in done.stdout
    assert "ssh://bare: not measured" in done.stdout
    assert "Traceback" not in done.stderr
    assert left(machine, "bare") == []


def test_ctrl_c_leaves_nothing_there(machine):
    command = [
        sys.executable,
        "-m",
        "edgekit",
        "bench",
        str(STUDENT),
        "--target",
        "ssh://pi",
        "--runs",
        "100000",
        "--timeout",
        "60",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(100):
            if machine.shell("pgrep -f '[r]unner.py job' || true"):
                break
            time.sleep(0.2)
        else:
            pytest.fail("the runner did not start")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    for _ in range(50):
        if not left(machine):
            break
        time.sleep(0.2)
    assert left(machine) == []


def test_a_device_without_python_runs_the_c_runner(machine, arm64_runner, arm64_library):
    done = edgekit(
        "bench", STUDENT, *DATA, "--target", "ssh://nopython", "--runner", arm64_runner, "--library", arm64_library, "--json"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["parity"]["agreement"], row["parity"]["holds"]) == (1, True)
    assert row["runs"] == len(row["latencies_ns"]) >= 100
    assert left(machine, "nopython") == []
    done = edgekit("bench", STUDENT, "--target", "ssh://nopython")
    assert done.returncode == 8
    assert "no Python" in done.stderr
    assert "--runner" in done.stderr


def test_a_phone(phone, arm64_runner, arm64_library, tmp_path):
    runner = phone.arm64(arm64_runner, tmp_path)
    target = f"adb:{phone.serial}"
    arguments = ["bench", STUDENT, *DATA, "--target", target, "--runner", runner, "--library", arm64_library]
    done = edgekit(*arguments, "--fixed-performance", "--affinity", "big", "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["parity"]["agreement"], row["parity"]["holds"]) == (1, True)
    assert row["affinity"] == [1]
    assert row["emulated"] is True
    assert "adb shell" in row["method"]
    assert phone.work == []
    done = edgekit(*arguments, "--runner-sha256", "0" * 64)
    assert done.returncode in (8, 9)
    assert "SHA-256" in done.stderr
    done = edgekit("bench", STUDENT, "--target", target)
    assert done.returncode == 8
    assert "needs a native runner" in done.stderr


def test_devices_lists_all_and_says_what_each_lacks(machine, phone, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "edgekit").mkdir()
    (tmp_path / "edgekit" / "targets.yaml").write_text(
        "pi: {target: 'ssh://pi'}\nbare: {target: 'ssh://bare'}\ngone: {target: 'ssh://pi@127.0.0.1:9'}\n"
    )
    done = edgekit("devices", "--json")
    assert done.returncode == 0, done.stderr
    found = {device["target"]: device for device in json.loads(done.stdout)}
    assert list(found) == ["host", "pi", "bare", "gone", f"adb:{phone.serial}"]
    states = {target: device["state"] for target, device in found.items()}
    assert states == {
        "host": "ready", "pi": "ready", "bare": "no runtime", "gone": "not reached", f"adb:{phone.serial}": "no runner",
    }  # fmt: skip
    assert found["pi"]["facts"]["emulated"]
    assert found["pi"]["facts"]["cores"] == 2
    assert "ai-edge-litert" in found["pi"]["runtimes"]
    assert found["bare"]["fix"] == "edgekit setup-device bare"
    assert "refused" in found["gone"]["fix"]
    text = edgekit("devices").stdout
    assert "emulated" in text
    assert "fix: edgekit setup-device bare" in text


@pytest.mark.tf
def test_a_build_measures_there_and_keeps_its_report_when_a_device_fails(machine, small_npz, tmp_path):
    settings = [
        f"--set={key}" for key in ("training.epochs=1", "bench.samples=100", "bench.threads=[1]", "bench.retries=0")
    ]
    common = ["build", "--data", small_npz, "--student", "conv8", *settings]
    done = edgekit(*common, "--out", tmp_path / "r", "--target", "ssh://pi", "--target", "ssh://nopython")
    assert done.returncode == 8, done.stderr
    assert "no Python" in done.stderr
    assert "ssh://pi: model_int8.tflite 1 thread(s)" in done.stdout
    assert "emulated" in done.stdout
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert {row["target"] for row in report["measurements"]} == {"ssh://pi"}
    assert list(report["bench_failures"]) == ["ssh://nopython"]
    for row in report["measurements"]:
        assert row["parity"]["n"] == row["samples"] == 100
        assert row["parity"]["agreement"] == 1
    (path,) = (tmp_path / "r" / "bench").glob("*.json")
    assert path.name.startswith("ssh-pi-")
    page = (tmp_path / "r" / "report.html").read_text()
    assert "emulated: its latencies are meaningless" in page
    assert "ssh://nopython could not be measured" in page
    assert "emulated" in (tmp_path / "r" / "card.md").read_text()
    done = edgekit(*common, "--out", tmp_path / "r2", "--target", "ssh://pi@127.0.0.1:9")
    assert done.returncode == 8
    assert not (tmp_path / "r2").exists(), "told before anything was trained"
