"""facts.sh on this machine, its lines read, and the CPUs that --affinity means."""

import os
import subprocess

import pytest

from edgekit.bench import facts
from edgekit.errors import TargetError

BIG_LITTLE = {"max_khz": {"0": 1800000, "1": 1800000, "2": 2400000, "3": 2400000}, "cores": 4}


def test_the_script_tells_of_this_machine_and_complains_of_nothing():
    done = subprocess.run(["sh", facts.SCRIPT], capture_output=True, text=True, check=True)
    found = facts.parse(done.stdout)
    assert done.stderr == ""
    assert found["cores"] == os.cpu_count()
    assert found["machine"] == os.uname().machine
    assert found["memory_bytes"] > 1e8
    assert len(found["load_average"]) == 3
    assert len(found["cpu_ticks"]) == 8


def test_a_pi_is_read():
    found = facts.parse(
        "model Raspberry Pi 4 Model B Rev 1.1\ncompatible raspberrypi,4-model-b brcm,bcm2711\nglibc glibc 2.36\ncores 4\n"
        "zone.0 cpu-thermal\ntemperature.0 55017\nzone.1 battery\ntemperature.1 31000\nvc_temperature temp=55.5'C\n"
        "throttled throttled=0x50005\nos Debian GNU/Linux 12 (bookworm)\n"
    )
    assert found["soc"] == "BCM2711"
    assert found["temperature_c"] == 55.5
    assert found["temperatures"] == {"cpu-thermal 0": 55.017, "battery 1": 31.0}
    assert found["throttled"] == 0x50005
    assert facts.throttling(found["throttled"]) == ["under-voltage", "throttled"]
    assert found["glibc"] == "2.36"
    assert found["emulated"] is None


def test_a_phone_is_read():
    found = facts.parse(
        "prop.product.manufacturer samsung\nprop.product.model SM-S911B\nprop.board.platform kalama\n"
        "prop.build.version.release 14\nprop.product.cpu.abi arm64-v8a\nthermal_status Thermal Status: 2\n"
        "battery   AC powered: false\nbattery   USB powered: true\nbattery   level: 77\nbattery   temperature: 305\n"
        "low_power null\n"
        "zone.3 cpu-1-0\ntemperature.3 44000\nzone.9 xo-therm\ntemperature.9 -273000\n"
    )
    assert (found["model"], found["soc"], found["os"]) == ("samsung SM-S911B", "kalama", "Android 14")
    assert found["thermal_status"] == 2
    assert found["battery"] == {"level_percent": 77, "plugged": True, "temperature_c": 30.5}
    assert found["power_save"] is False, "a setting that nobody ever made"
    assert found["temperatures"] == {"cpu-1-0 3": 44.0}, "a sensor that is off tells absolute zero"


@pytest.mark.parametrize(
    "text", ["", "nonsense\n\n \n", "cores many\nloadavg x\nstat cpu\nthrottled \ntemperature.0 hot\n"]
)
def test_garbage_is_no_fact(text):
    found = facts.parse(text)
    assert found["cores"] is found["load_average"] is found["cpu_ticks"] is found["throttled"] is None
    assert found["temperature_c"] is None


def test_big_and_little_come_from_the_highest_frequencies():
    assert facts.cpus(None, BIG_LITTLE) is None
    assert facts.cpus("big", BIG_LITTLE) == [2, 3]
    assert facts.cpus("little", BIG_LITTLE) == [0, 1]
    assert facts.cpus("5", BIG_LITTLE) == [0, 2]
    assert facts.cpus("0xc", BIG_LITTLE) == [2, 3]
    assert facts.mask([2, 3]) == "c"


@pytest.mark.parametrize(
    ("affinity", "found", "reason"),
    [
        ("big", {"max_khz": {}, "cores": 4}, "no frequencies"),
        ("little", {"max_khz": {"0": 1500000, "1": 1500000}, "cores": 2}, r"only cores of 1\.50 GHz"),
        ("f0", BIG_LITTLE, r"\[4, 5, 6, 7\]; the target has 4"),
        ("0", BIG_LITTLE, "--affinity 0 names no CPU"),
    ],
)
def test_cores_that_are_not_there_are_refused(affinity, found, reason):
    with pytest.raises(TargetError, match=reason):
        facts.cpus(affinity, found)


def test_a_core_that_is_asleep_may_be_asked_for():
    asleep = {"max_khz": {"0": 1800000, "7": 2400000}, "cores": 4}  # /proc/cpuinfo has lines for four of eight
    assert facts.cpus("80", asleep) == [7]
    with pytest.raises(TargetError, match="the target has 8, numbered from 0"):
        facts.cpus("100", asleep)


@pytest.mark.parametrize(
    ("text", "emulated"),
    [
        ("machine aarch64\nmodel QEMU Virtual Machine\n", True),  # booted by UEFI
        ("machine aarch64\nmodel linux,dummy-virt\n", True),
        (
            "machine x86_64\nmodel Standard PC (Q35 + ICH9, 2009)\ncpuinfo.model_name Intel(R) Xeon(R) Processor\n",
            False,
        ),
        (
            "machine x86_64\ncpuinfo.model_name QEMU Virtual CPU version 2.5+\nclocksources tsc kvm-clock acpi_pm\n",
            False,
        ),
        ("machine x86_64\ncpuinfo.model_name QEMU Virtual CPU version 2.5+\nclocksources tsc hpet acpi_pm\n", True),
        ("machine aarch64\nmodel Raspberry Pi 5 Model B Rev 1.0\n", False),
    ],
)
def test_an_emulator_is_told_from_a_virtual_machine_of_real_speed(text, emulated):
    assert (facts.parse(text)["emulated"] is not None) == emulated


def test_a_device_cannot_speak_to_the_terminal():
    found = facts.parse("model \x1b[2J\x1b]0;title\x07Pi\x9b5\u202e\nos De\x07bian\n")
    assert (found["model"], found["os"]) == ("Pi5", "Debian")
