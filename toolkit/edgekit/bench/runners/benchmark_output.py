"""What benchmark_model prints: TensorFlow Lite's build, LiteRT's build of the same name, and edgekit's C runner.

The grammar is that of tflite/tools/benchmark/benchmark_model.cc and of the stats calculator that it uses: a line for the warm-up
and one for the counted runs, in whole microseconds. Lines have a prefix such as "INFO: ", which older builds lack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# If all values are equal, no mean is printed; builds before 2025 print no percentiles.
_STATISTICS = re.compile(
    r"^(?:INFO: )?count=(?P<count>\d+)(?: first=(?P<first>\d+))?(?: curr=(?P<curr>\d+)(?P<same>\(all same\))?)?"
    r"(?: min=(?P<min>\d+) max=(?P<max>\d+) avg=(?P<avg>[\d.e+]+) std=(?P<std>\d+))?"
    r"(?: p5=(?P<p5>\d+) median=(?P<median>\d+) p95=(?P<p95>\d+))?[ \t]*\r?$",
    re.MULTILINE,
)
_END = re.compile(r"Inference timings in us: Init: (\d+), .*Inference \(avg\): ([\d.e+]+)")
_LITERT_END = re.compile(r"Inference \(avg\):\s+([\d.]+) ms \((\d+) runs\)")
_SESSION = re.compile(r"Initialized session in ([\d.e+]+)ms")
_PEAK = re.compile(r"Overall peak memory footprint \(MB\) via periodic monitoring: ([\d.e+]+)")
_RESIDENT = re.compile(r"Resident set size \(KB\): baseline=(\d+) peak=(\d+)")
_RUNTIME = re.compile(r"^INFO: Runtime: (.*\S)", re.MULTILINE)
_APPLIED = re.compile(
    r"Explicitly applied (\w+) delegate, and the model graph will be completely executed by the delegate"
)
_REPLACED = re.compile(r"Replacing (\d+) out of (\d+) node\(s\) with delegate \((\w+)\)")
_DELEGATES = {"TfLiteGpuDelegateV2": "gpu", "LITERT_CL": "gpu", "TfLiteNnapiDelegate": "nnapi"}
_XNNPACK = re.compile(r"Created TensorFlow Lite XNNPACK delegate|XNNPACK delegate created|Explicitly applied XNNPACK")
_XNNPACK_UNUSED = "Though XNNPACK delegate is explicitly applied, the model graph will not be executed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Of some runs, in microseconds; the average rounded to six digits. median, p95: None where the build prints none."""

    count: int
    minimum_us: int
    maximum_us: int
    average_us: float
    deviation_us: int
    median_us: int | None
    p95_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One run of the program. warmup: None = there was none. runtime, peak_rss_bytes, baseline_rss_bytes: None = not printed."""

    warmup: Statistics | None
    counted: Statistics
    init_ms: float
    runtime: str | None
    peak_rss_bytes: int | None
    baseline_rss_bytes: int | None


def read(text: str) -> Output:
    """Parse the output of a successful run: stdout and stderr.

    Raises:
        ValueError: it is incomplete, contradicts itself, or has no counted run.
    """
    lines = list(_STATISTICS.finditer(text))
    if len(lines) < 2:
        raise ValueError(
            f"{len(lines)} lines of statistics (count=...); expected one of the warm-up and one of the runs"
        )
    classic, litert = _END.search(text), _LITERT_END.search(text)
    if classic is None and litert is None:
        raise ValueError("it is cut off: the line with the mean at its end is missing")
    warmup, counted = _statistics(lines[-2]), _statistics(lines[-1])
    if counted is None:
        raise ValueError("no counted run (count=0)")
    # Both are printed with six digits, from the same value; LiteRT's with two decimals of a millisecond.
    if classic and abs(float(classic[2]) - counted.average_us) > 1e-5 * counted.average_us + 0.01:
        raise ValueError(f"two means, {classic[2]} and {counted.average_us:g} microseconds")
    if litert and (int(litert[2]) != counted.count or abs(1000 * float(litert[1]) - counted.average_us) > 10):
        raise ValueError(
            f"two results, {litert[1]} ms of {litert[2]} runs and {counted.average_us:g} us of {counted.count}"
        )
    session, peak, resident = _SESSION.search(text), _PEAK.search(text), _RESIDENT.search(text)
    runtime = _RUNTIME.search(text)
    if classic is None and session is None:
        raise ValueError("the time of the initialization is missing")
    return Output(
        warmup=warmup,
        counted=counted,
        init_ms=int(classic[1]) / 1000 if classic else float(session[1]) if session else 0.0,
        runtime=runtime[1] if runtime else None,
        peak_rss_bytes=int(resident[2]) * 1024 if resident else int(float(peak[1]) * 1024**2) if peak else None,
        baseline_rss_bytes=int(resident[1]) * 1024 if resident else None,
    )


def _statistics(line: re.Match[str]) -> Statistics | None:
    """The values of a line; None for no run. One value, or equal ones, are printed without a mean."""
    count = int(line["count"])
    if count == 0:
        return None
    median, p95 = (int(line[name]) if line[name] else None for name in ("median", "p95"))
    if line["avg"] is None:
        if line["curr"] is None or (count > 1 and line["same"] is None):
            raise ValueError(f"incomplete statistics: {line[0].strip()!r}")
        value = int(line["curr"])
        return Statistics(
            count=count,
            minimum_us=value,
            maximum_us=value,
            average_us=value,
            deviation_us=0,
            median_us=value,
            p95_us=value,
        )
    return Statistics(
        count=count,
        minimum_us=int(line["min"]),
        maximum_us=int(line["max"]),
        average_us=float(line["avg"]),
        deviation_us=int(line["std"]),
        median_us=median,
        p95_us=p95,
    )


def known_flags(usage: str) -> frozenset[str]:
    """The names of the flags in what `--help` prints."""
    return frozenset(re.findall(r"^\s*--([a-z0-9_]+)=", usage, re.MULTILINE))


def unconsumed(text: str) -> str | None:
    """The flags that the program reports as unknown; it ignores them and goes on."""
    match = re.search(r"Unconsumed cmdline flags:\s*(.*\S)", text)
    return match[1] if match else None


def failures(text: str) -> list[str]:
    """The error lines of the program, without their prefix, and without the last one if it only says that there were errors."""
    errors = re.findall(r"^(?:ERROR|FATAL): (.*\S)", text, re.MULTILINE)
    return [line for line in errors if line != "Benchmarking failed."] or errors


def kernels(text: str) -> str:
    """What computed the model: "gpu" or "nnapi" if all of it did, "xnnpack" if that was applied, else "builtin"."""
    for name in _APPLIED.findall(text):
        if name.lower() in ("gpu", "nnapi"):
            return str(name.lower())
    for replaced, nodes, name in _REPLACED.findall(text):
        if replaced == nodes and name in _DELEGATES:
            return _DELEGATES[name]
    return "xnnpack" if _XNNPACK.search(text) and _XNNPACK_UNUSED not in text else "builtin"


def delegate_lines(text: str) -> list[str]:
    """The lines that mention a delegate or an accelerator, for a message."""
    return [line.strip() for line in text.splitlines() if re.search(r"delegate|NNAPI|CPU fallback|accelerator", line)]


def nnapi_is_reference(text: str) -> bool:
    """Whether NNAPI there has only its own reference implementation on the CPU."""
    match = re.search(r"NNAPI accelerators available: \[([^\]]*)\]", text)
    return match is not None and set(match[1].split(",")) <= {"nnapi-reference", ""}
