"""Verdicts on latencies: what makes one invalid, what only suspect, and that missing evidence is never valid."""

import pytest

from edgekit.bench import facts
from edgekit.bench.validity import judge

PI = """machine aarch64
kernel Linux 6.6.31
model Raspberry Pi 5 Model B Rev 1.0
compatible raspberrypi,5-model-b brcm,bcm2712
cores 4
memory_kb 8256000
loadavg 0.05 0.10 0.12 1/200 900
max_khz.0 2400000
limit_khz.0 2400000
khz.0 2400000
governor.0 performance
zone.0 cpu-thermal
temperature.0 48250
throttled throttled=0x0
"""
PHONE = """machine aarch64
prop.product.manufacturer Google
prop.product.model Pixel 8
prop.soc.manufacturer Google
prop.soc.model Tensor G3
prop.build.version.release 15
prop.product.cpu.abi arm64-v8a
cores 9
loadavg 0.5 0.6 0.7 1/900 1
max_khz.0 1704000
limit_khz.0 1704000
khz.0 1704000
governor.0 sched_pixel
max_khz.8 2914000
limit_khz.8 2914000
khz.8 2914000
governor.8 sched_pixel
thermal_status Thermal Status: 0
battery   USB powered: true
battery   level: 83
battery   temperature: 291
low_power 0
"""


def verdict(before, after=None, *, others=0.0, latencies=(), affinity=None):
    found = judge(
        facts.parse(before),
        facts.parse(after or before),
        others_cores=others,
        latencies_ns=latencies,
        affinity=affinity,
    )
    return found.verdict, "; ".join(found.reasons)


def changed(text, *lines):
    """`text` with these lines in the place of those of the same key."""
    keys = [line.split()[0] for line in lines]
    return "\n".join([row for row in text.splitlines() if row.split()[0] not in keys] + list(lines)) + "\n"


def without(text, *keys):
    return "\n".join(row for row in text.splitlines() if not row.startswith(keys)) + "\n"


@pytest.mark.parametrize("state", [PI, PHONE])
def test_good_evidence_is_valid(state):
    assert verdict(state) == ("valid", "")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("governor", "no governor"),
        ("khz", "no frequency"),
        ("temperature", "no temperature"),
        ("throttled", "throttle bits"),
    ],
)
def test_missing_evidence_is_suspect_and_named(key, reason):
    word, reasons = verdict(without(PI, key))
    assert word == "suspect"
    assert reason in reasons


def test_nothing_known_names_everything_that_is_missing():
    assert verdict("machine x86_64\n", others=None) == ("suspect", "no governor, no frequency, no temperature, no load")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("throttled throttled=0x1", "under-voltage"),
        ("throttled throttled=0x4", "throttled"),
        ("throttled throttled=0x80000", "soft temperature limit occurred during the measurement"),
        ("limit_khz.0 1500000", "frequency limit of CPU 0 fell"),
    ],
)
def test_what_slows_a_pi_down_is_invalid(line, reason):
    word, reasons = verdict(PI, changed(PI, line))
    assert word == "invalid"
    assert reason in reasons


def test_old_throttling_that_did_not_come_up_anew_is_no_reason():
    since_boot = changed(PI, "throttled throttled=0x50000")
    assert verdict(since_boot) == ("valid", "")


@pytest.mark.parametrize(
    ("line", "word", "reason"),
    [
        ("thermal_status Thermal Status: 1", "suspect", "light"),
        ("thermal_status Thermal Status: 3", "invalid", "severe"),
        ("low_power 1", "invalid", "battery saver"),
    ],
)
def test_what_slows_a_phone_down(line, word, reason):
    found, reasons = verdict(PHONE, changed(PHONE, line))
    assert found == word
    assert reason in reasons


def test_an_empty_battery_is_suspect_unless_plugged_in():
    low = changed(PHONE, "battery   level: 9").replace("83", "9") + "battery   USB powered: true\n"
    assert verdict(low)[0] == "valid"
    assert "battery at 9 %" in verdict(low.replace("true", "false"))[1]


def test_other_processes_and_load():
    assert verdict(PI, others=0.29)[0] == "valid"
    assert verdict(PI, others=0.31) == (
        "invalid",
        "other processes used 0.31 cores during the measurement (allowed 0.3)",
    )
    assert "load average 3.0 on 4 cores" in verdict(changed(PI, "loadavg 3.00 1 1 1/1 1"), others=None)[1]


def test_a_governor_that_was_not_seen_at_the_top_is_suspect():
    slow = changed(PI, "governor.0 ondemand", "khz.0 1500000")
    assert "governor ondemand" in verdict(slow)[1]
    assert verdict(changed(PI, "governor.0 ondemand")) == ("valid", ""), "it ran at its highest frequency"
    assert verdict(changed(PHONE, "khz.0 300000"), affinity=[8])[0] == "valid"
    assert verdict(changed(PHONE, "khz.8 300000"), affinity=[8])[0] == "suspect"


def test_heat_and_drift_are_suspect():
    assert "81 degrees" in verdict(PI, changed(PI, "temperature.0 81000"))[1]
    assert "1.50 times" in verdict(PI, latencies=[100] * 50 + [150] * 50)[1]
    assert verdict(PI, latencies=[100] * 100)[0] == "valid"


@pytest.mark.parametrize(
    "text",
    [
        "model linux,dummy-virt\n",
        "cpuinfo.model_name QEMU TCG CPU version 2.5+\n",
        "prop.kernel.qemu 1\n",
        "machine aarch64\ncpuinfo.vendor_id GenuineIntel\n",
        "machine x86_64\nprop.product.cpu.abi arm64-v8a\n",
    ],
)
def test_an_emulator_is_never_valid(text):
    found = judge(facts.parse(PI + text), facts.parse(PI + text), others_cores=0.0, latencies_ns=())
    assert found.emulated
    assert found.verdict == "invalid"
    assert found.reasons[0].startswith("emulated")
