"""What a target is and what state it is in, read from the output of device/facts.sh."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.bench.command import plain
from edgekit.errors import TargetError

SCRIPT = Path(__file__).parents[1] / "device" / "facts.sh"
# Thermal zones of the processor; phones have dozens of others, for the battery, the modem and the skin.
_PROCESSOR_ZONES = re.compile(r"cpu|soc|x86_pkg|package|tsens|big|little|mid", re.IGNORECASE)
# VideoCore's get_throttled, bits 0 to 3: true now. Bits 16 to 19: the same, true at some time since boot.
THROTTLE_BITS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}


def parse(text: str) -> dict[str, Any]:
    """The facts of a target; what it did not report is None or empty.

    Returns:
        model, soc, cpu, os, kernel, machine, abi, glibc: text. cores: online. memory_bytes. emulated: why its latencies are
        meaningless. By CPU number (text): max_khz, limit_khz (what the governor may use), khz (now), governors.
        temperature_c: of the processor; temperatures: of every zone. throttled: VideoCore's bits. load_average: 3 numbers.
        cpu_ticks: of /proc/stat. thermal_status: Android's, 0 to 6. battery: level_percent, plugged, temperature_c.
        power_save.
    """
    rows = [line.partition(" ")[::2] for line in map(plain, text.splitlines()) if " " in line]
    flat = dict(rows)
    zones = {k: v for k, v in _indexed(flat, "temperature", _millidegrees).items() if v is not None}
    names = _indexed(flat, "zone", str)
    temperatures = {f"{names.get(k, 'zone')} {k}": v for k, v in zones.items()}
    vc = re.search(r"temp=([\d.]+)", flat.get("vc_temperature", ""))
    processor = [float(vc[1])] if vc else [v for name, v in temperatures.items() if _PROCESSOR_ZONES.search(name)]
    phone = " ".join(filter(None, (flat.get("prop.product.manufacturer"), flat.get("prop.product.model"))))
    release = flat.get("prop.build.version.release")
    return {
        "model": phone or flat.get("model"),
        "soc": _soc(flat),
        "cpu": flat.get("cpuinfo.model_name") or flat.get("cpu") or flat.get("cpuinfo.Hardware"),
        "os": f"Android {release}" if release else flat.get("os"),
        "fingerprint": flat.get("prop.build.fingerprint"),
        "kernel": flat.get("kernel"),
        "machine": flat.get("machine"),
        "abi": flat.get("prop.product.cpu.abi"),
        "glibc": flat["glibc"].split()[-1] if "glibc" in flat else None,
        "cores": _integer(flat.get("cores")),
        "memory_bytes": _kilobytes(flat.get("memory_kb")),
        "emulated": _emulated(flat),
        "max_khz": _indexed(flat, "max_khz", _integer),
        "limit_khz": _indexed(flat, "limit_khz", _integer),
        "khz": _indexed(flat, "khz", _integer),
        "governors": _indexed(flat, "governor", str),
        "temperature_c": max(processor) if processor else None,
        "temperatures": temperatures,
        "throttled": _throttled(flat.get("throttled")),
        "load_average": _load(flat.get("loadavg")),
        "cpu_ticks": _ticks(flat.get("stat")),
        "thermal_status": _integer(flat.get("thermal_status", "").rpartition(":")[2].strip()),
        "battery": _battery([value for key, value in rows if key == "battery"]),
        "power_save": {"0": False, "1": True, "null": False}.get(flat.get("low_power", "")),
    }


def throttling(bits: int) -> list[str]:
    """The names of the low four bits that are set."""
    return [name for bit, name in THROTTLE_BITS.items() if bits >> bit & 1]


def cpus(affinity: str | None, facts: Mapping[str, Any]) -> list[int] | None:
    """The CPU numbers that `--affinity` means on a target; None = not pinned.

    "big" and "little" are the CPUs of the highest and of the lowest maximum frequency (cpufreq's cpuinfo_max_freq).

    Raises:
        TargetError: the target reports no frequencies, has one kind of core only, or has no such CPU; or the mask is 0.
    """
    if affinity is None:
        return None
    if affinity in ("big", "little"):
        highest = {int(cpu): khz for cpu, khz in facts["max_khz"].items() if khz}
        if len(set(highest.values())) < 2:
            speeds = (
                f"only cores of {max(highest.values()) / 1e6:.2f} GHz" if highest else "no frequencies (no cpufreq)"
            )
            raise TargetError(
                f"--affinity {affinity} needs two kinds of core; the target reports {speeds}. Pass a mask, e.g. 3."
            )
        wanted = (max if affinity == "big" else min)(highest.values())
        return sorted(cpu for cpu, khz in highest.items() if khz == wanted)
    mask = int(affinity, 16)
    if mask == 0:
        raise TargetError(f"--affinity {affinity} names no CPU; expected a hexadecimal mask, e.g. 3 for CPUs 0 and 1.")
    numbers = [cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1]
    # Android's /proc/cpuinfo, which `cores` counts, has no line for a core that is asleep.
    cores = max([facts["cores"] or 64, *(int(cpu) + 1 for cpu in facts["max_khz"])])
    if numbers[-1] >= cores:
        raise TargetError(f"--affinity {affinity} is CPUs {numbers}; the target has {cores}, numbered from 0.")
    return numbers


def mask(numbers: list[int]) -> str:
    """CPU numbers as the hexadecimal mask that taskset takes."""
    return f"{sum(1 << cpu for cpu in numbers):x}"


def _indexed(flat: Mapping[str, str], prefix: str, read: Any) -> dict[str, Any]:
    values = {key.partition(".")[2]: read(value) for key, value in flat.items() if key.startswith(f"{prefix}.")}
    return dict(sorted(values.items(), key=lambda item: (len(item[0]), item[0])))


def _integer(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"-?\d+", text.strip()) else None


def _kilobytes(text: str | None) -> int | None:
    count = _integer(text)
    return None if count is None else count * 1024


def _millidegrees(text: str) -> float | None:
    value = _integer(text)
    # A few drivers report degrees, tenths, or nonsense for a sensor that is off.
    if value is None:
        return None
    degrees = value / 1000 if abs(value) >= 1000 else float(value)
    return degrees if -40 < degrees < 150 else None


def _throttled(text: str | None) -> int | None:
    match = re.search(r"throttled=0x([0-9a-fA-F]+)", text or "")
    return int(match[1], 16) if match else None


def _load(text: str | None) -> list[float] | None:
    match = re.match(r"([\d.]+) ([\d.]+) ([\d.]+)", text or "")
    return [float(value) for value in match.groups()] if match else None


def _ticks(text: str | None) -> list[int] | None:
    """user, nice, system, idle, iowait, irq, softirq, steal of all CPUs since boot."""
    numbers = re.findall(r"\d+", text or "")
    return [int(value) for value in numbers[:8]] if len(numbers) >= 8 else None


def _battery(lines: list[str]) -> dict[str, Any] | None:
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if "level" not in values:
        return None
    tenths = _integer(values.get("temperature"))
    return {
        "level_percent": _integer(values["level"]),
        "plugged": any(value == "true" for key, value in values.items() if key.endswith("powered")),
        "temperature_c": None if tenths is None else tenths / 10,
    }


def _soc(flat: Mapping[str, str]) -> str | None:
    named = " ".join(filter(None, (flat.get("prop.soc.manufacturer"), flat.get("prop.soc.model"))))
    if named:
        return named
    if board := flat.get("prop.board.platform") or flat.get("prop.hardware"):
        return board
    # The last entry of a device tree's "compatible" is the chip: "raspberrypi,4-model-b brcm,bcm2711".
    last = flat.get("compatible", "").split()[-1:]
    return last[0].partition(",")[2].upper() or last[0] if last else None


def _emulated(flat: Mapping[str, str]) -> str | None:
    """Why an emulator runs this target, or None. Hardware virtualization (KVM) runs at full speed and does not count."""
    cpu, x86 = flat.get("cpuinfo.model_name", ""), flat.get("machine", "").startswith(("x86", "i"))
    if "dummy-virt" in flat.get("model", "") or "dummy-virt" in flat.get("compatible", ""):
        return "a virtual machine of qemu"
    # Booted by UEFI, it has no device tree, only SMBIOS's product name. On ARM no user program can tell whether KVM runs it.
    if "QEMU" in flat.get("model", "") and not x86:
        return "a virtual machine of qemu"
    # "QEMU Virtual CPU" is also a processor type that runs at full speed under KVM; KVM's clock is then available.
    if ("QEMU" in cpu or "TCG" in cpu) and "kvm-clock" not in flat.get("clocksources", ""):
        return "a processor emulated by qemu"
    if "1" in (flat.get("prop.kernel.qemu"), flat.get("prop.boot.qemu")):
        return "the Android emulator"
    vendor, abi, machine = (
        flat.get("cpuinfo.vendor_id", ""),
        flat.get("prop.product.cpu.abi", ""),
        flat.get("machine", ""),
    )
    arm = machine.startswith(("aarch64", "arm")) or abi.startswith(("arm64", "armeabi"))
    if arm and (vendor in ("GenuineIntel", "AuthenticAMD") or machine in ("x86_64", "i686")):
        return "an ARM system on an x86 processor"
    return None
