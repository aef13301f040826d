"""Can a latency be trusted? The state of the target before and after, and what follows from it.

invalid: something slowed it down, or it was not a real device. suspect: nothing is known to be wrong, but evidence is missing or
weak. valid: the evidence is there, and good. Missing evidence never makes a latency valid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgekit.bench.facts import throttling

# Other processes' share of a core beyond which a latency says more about them than about the file.
MOST_OTHERS = 0.3
# From this share of its highest frequency on, the processor counts as running at it.
_AT_TOP = 0.97
# A larger change of the median from the first third of the runs to the last shows a machine that is warming up or busy.
_MOST_DRIFT = 0.1
# A Raspberry Pi lowers its clock from 80 degrees on; phones' skin limits are below this as well.
_HOT_C = 80.0
_LOW_BATTERY_PERCENT = 20
_ANDROID_THERMAL = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """The verdict on one latency and the reasons. emulated: whether the target is, which no repetition can fix."""

    verdict: Literal["valid", "suspect", "invalid"]
    reasons: tuple[str, ...]
    emulated: bool = False


def judge(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    others_cores: float | None,
    latencies_ns: Sequence[int],
    affinity: Sequence[int] | None = None,
) -> Validity:
    """Judge one latency.

    Args:
        before, after: facts of the target (edgekit.bench.facts.parse) right before and right after the measured runs.
        others_cores: how many cores other processes used meanwhile; None = not known.
        latencies_ns: every counted run in order; may be empty.
        affinity: the CPUs it was pinned to, None = not pinned.
    """
    emulated = before.get("emulated") or after.get("emulated")
    if emulated:
        return Validity(verdict="invalid", reasons=(f"emulated: {emulated}",), emulated=True)
    if wrong := [*_slowed(before, after, others_cores)]:
        return Validity(verdict="invalid", reasons=tuple(wrong))
    weak = [*_weak(before, after, others_cores, latencies_ns, affinity)]
    missing = [*_missing(before, after, others_cores)]
    if missing:
        weak.append(", ".join(f"no {what}" for what in missing))
    return Validity(verdict="suspect" if weak else "valid", reasons=tuple(weak))


def _slowed(before: Mapping[str, Any], after: Mapping[str, Any], others_cores: float | None) -> Iterator[str]:
    bits = [state["throttled"] for state in (before, after) if state["throttled"] is not None]
    for name in dict.fromkeys(name for flags in bits for name in throttling(flags)):
        yield f"{name} (vcgencmd get_throttled)"
    if len(bits) == 2 and (new := (bits[1] >> 16) & ~(bits[0] >> 16)):
        yield f"{', '.join(throttling(new)) or 'throttling'} occurred during the measurement (vcgencmd get_throttled)"
    statuses = [state["thermal_status"] for state in (before, after) if state["thermal_status"] is not None]
    if statuses and max(statuses) >= 2:
        yield f"Android's thermal status is {_thermal(max(statuses))}"
    if before["power_save"] or after["power_save"]:
        yield "battery saver is on"
    lowered = [cpu for cpu, khz in after["limit_khz"].items() if khz and khz < (before["limit_khz"].get(cpu) or 0)]
    if lowered:
        yield f"the frequency limit of CPU {', '.join(lowered)} fell during the measurement"
    if others_cores is not None and others_cores > MOST_OTHERS:
        yield f"other processes used {others_cores:.2f} cores during the measurement (allowed {MOST_OTHERS})"


def _weak(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    others_cores: float | None,
    latencies_ns: Sequence[int],
    affinity: Sequence[int] | None,
) -> Iterator[str]:
    top, now, limit = after["max_khz"], after["khz"], after["limit_khz"]
    capped = [cpu for cpu, khz in limit.items() if khz and top.get(cpu) and khz < _AT_TOP * top[cpu]]
    if capped:
        yield f"the frequency of CPU {', '.join(capped)} is limited below its maximum"
    governors = sorted(set(after["governors"].values()) - {"performance"})
    # Without pinning, the work goes to the fastest cores.
    fastest = {cpu for cpu, khz in top.items() if khz == max(filter(None, top.values()), default=None)}
    watched = {str(cpu) for cpu in affinity} if affinity else fastest or set(now)
    reached = any(now.get(cpu) and limit.get(cpu) and now[cpu] >= _AT_TOP * limit[cpu] for cpu in watched)
    if governors and not reached:
        yield f"governor {', '.join(governors)}, and not seen at its highest frequency right after the runs"
    if after["temperature_c"] is not None and after["temperature_c"] >= _HOT_C:
        yield f"{after['temperature_c']:.0f} degrees C"
    statuses = [state["thermal_status"] for state in (before, after) if state["thermal_status"] is not None]
    if 1 in statuses:
        yield "Android's thermal status is light"
    battery = before["battery"]
    if battery and not battery["plugged"] and (battery["level_percent"] or 100) < _LOW_BATTERY_PERCENT:
        yield f"battery at {battery['level_percent']} % and not plugged in"
    load, cores = before["load_average"], before["cores"] or 1
    if others_cores is None and load and load[0] > 0.5 * cores:
        yield f"load average {load[0]:.1f} on {cores} cores before"
    third = len(latencies_ns) // 3
    if third >= 10:
        first, last = np.median(latencies_ns[:third]), np.median(latencies_ns[-third:])
        if abs(last / first - 1) > _MOST_DRIFT:
            yield f"the last third of the runs took {last / first:.2f} times the first third's median"


def _missing(before: Mapping[str, Any], after: Mapping[str, Any], others_cores: float | None) -> Iterator[str]:
    if not after["governors"]:
        yield "governor"
    if not after["khz"]:
        yield "frequency"
    if after["temperature_c"] is None and after["thermal_status"] is None:
        yield "temperature"
    if (after["os"] or "").startswith("Android"):
        if after["thermal_status"] is None:
            yield "thermal status"
        if after["power_save"] is None:
            yield "state of the battery saver"
    if "Raspberry Pi" in (after["model"] or "") and after["throttled"] is None:
        yield "throttle bits (vcgencmd)"
    if others_cores is None and before["load_average"] is None:
        yield "load"


def _thermal(status: int) -> str:
    return _ANDROID_THERMAL[status] if status < len(_ANDROID_THERMAL) else str(status)
