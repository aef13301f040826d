"""Measures .tflite files with a native program, for Android and for devices without Python.

The program is TensorFlow Lite's benchmark_model, LiteRT's program of the same name (latency only: it takes no inputs and writes
no outputs), or edgekit's C runner (device/edgekit_runner.c, raw latencies).
"""

from __future__ import annotations

import math
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bench.runners import native_outputs, operator_profile, result_proto
from edgekit.bench.runners.deployment import Deployment, Flags
from edgekit.bench.runners.program import Run
from edgekit.bench.runners.result_proto import Result
from edgekit.bench.session import Job, Operator, Session, Timing
from edgekit.bench.workspace import Workspace
from edgekit.errors import TargetError

ROUNDS = 4
# At least this long, for each file and thread count in each round.
_ROUND_S, _WARMUP_S = 0.1, 0.1
# Ticks of /proc/stat per second, on every architecture that Linux knows (USER_HZ).
_TICKS_PER_S = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Round:
    """One run of one file. raw_ns: (runs,) int64, None where the program prints only statistics."""

    run: Run
    raw_ns: NDArray[np.int64] | None


def measure(space: Workspace, job: Job) -> Session:
    """Latency, memory and outputs of the job's .tflite files; other files are left out with a remark.

    Session.seconds: of the counted rounds with their warm-ups.

    Raises:
        UsageError: there is no such program or library, or nothing to measure.
        IntegrityError: the program is not the one that was pinned.
        TargetError: it does not run there, fails, or prints a result that cannot be trusted.
    """
    there = Deployment(space, job)
    threads = there.threads()
    pairs = [(index, count) for index in range(len(there.artifacts)) for count in threads]
    before, begin = there.facts(), time.perf_counter()
    rounds: dict[tuple[int, int], list[_Round]] = defaultdict(list)
    for number in range(ROUNDS):
        # A new order each round, so that a slow phase of the target affects all alike.
        for pair in random.Random(number).sample(pairs, len(pairs)):
            rounds[pair].append(_round(there, *pair))
    seconds, after = time.perf_counter() - begin, there.facts()
    timings = [_timing(there, *pair, rounds[pair], profiled=pair[1] == threads[0]) for pair in pairs]
    outputs, used = ({}, "") if job.samples is None else native_outputs.outputs(there, job.samples)
    plain = sorted({timing.artifact for timing in timings if timing.kernels == "builtin"})
    if plain and job.plan.delegate == "xnnpack":
        there.remarks.append(
            f"XNNPACK was not used for {', '.join(plain)} on {there.target}: the runtime did not apply it"
        )
    return Session(
        timings=timings,
        outputs=outputs,
        output_kernels=dict.fromkeys(outputs, used),
        before=before,
        after=after,
        others_cores=_others_cores(before, after, [one.run for of_file in rounds.values() for one in of_file], seconds),
        seconds=seconds,
        method=_method(there, timings),
        runner_sha256=there.runner_sha256,
        remarks=list(dict.fromkeys(there.remarks)),
    )


def _round(there: Deployment, index: int, threads: int) -> _Round:
    """Warm-ups and a share of the counted runs of one file, in a process of its own."""
    plan, program, name = there.plan, there.program, there.artifacts[index].name
    least = math.ceil(plan.runs / ROUNDS)
    flags = there.flags(index, threads)
    flags |= {"num_runs": least, "min_secs": _ROUND_S, "warmup_runs": plan.warmup, "warmup_min_secs": _WARMUP_S}
    if program.knows("max_secs"):  # builds before 2019 have no such limit
        flags["max_secs"] = plan.timeout_s
    if program.own:
        flags["latencies_filepath"] = "latencies.bin"
    run, _ = _run(there, flags, name)
    statistics = run.output.counted
    if statistics.count < least:
        raise TargetError(f"{name} on {there.target}: {statistics.count} runs were counted; {least} were requested.")
    if not program.own:
        return _Round(run=run, raw_ns=None)
    content = there.space.pull("latencies.bin")
    raw = np.frombuffer(content[: len(content) // 8 * 8], "<i8").astype(np.int64)
    if (
        len(content) != 8 * statistics.count
        or raw.min() <= 0
        or abs(raw.mean() / 1000 - statistics.average_us) > 1 + 1e-5 * statistics.average_us
    ):
        raise TargetError(f"{name} on {there.target}: the raw latencies do not match the printed line.")
    return _Round(run=run, raw_ns=raw)


def _run(there: Deployment, flags: Flags, name: str) -> tuple[Run, Result | None]:
    """Run the program, and read its result file if it writes one; it must agree with the printed output."""
    if not there.program.knows("result_file_path"):
        return there.program.run(flags, what=name), None
    run = there.program.run({**flags, "result_file_path": "result.pb"}, what=name)
    try:
        result = result_proto.decode(there.space.pull("result.pb"))
    except ValueError as error:
        raise TargetError(f"{name} on {there.target}: the result file cannot be read: {error}.") from None
    if not result.agrees(run.output.counted):
        raise TargetError(f"{name} on {there.target}: the result file has a different latency than the printed one.")
    return run, result


def _timing(there: Deployment, index: int, threads: int, rounds: Sequence[_Round], *, profiled: bool) -> Timing:
    name = there.artifacts[index].name
    outputs = [one.run.output for one in rounds]
    raw = np.concatenate([one.raw_ns for one in rounds if one.raw_ns is not None] or [np.zeros(0, np.int64)])
    if any(output.counted.median_us is None for output in outputs):
        there.remarks.append("this build prints no median: p50 is the median of the rounds' means")
    centers = [output.counted.median_us for output in outputs]
    per_round = [
        1000.0 * (output.counted.average_us if median is None else median)
        for output, median in zip(outputs, centers, strict=True)
    ]
    kernels = sorted({one.run.kernels for one in rounds})
    if len(kernels) > 1:
        raise TargetError(f"{name} on {there.target} was computed partly by {' and partly by '.join(kernels)}.")
    peaks = [output.peak_rss_bytes for output in outputs if output.peak_rss_bytes is not None]
    return Timing(
        artifact=name,
        threads=threads,
        runtime=there.runtime(outputs[0].runtime),
        kernels=kernels[0],
        latencies_ns=raw.tolist(),
        round_p50_ns=per_round,
        p50_ns=float(np.median(raw if len(raw) else per_round)),
        p90_ns=float(np.percentile(raw, 90)) if len(raw) else None,
        runs=sum(output.counted.count for output in outputs),
        warmups=sum(output.warmup.count for output in outputs if output.warmup),
        init_ms=float(np.median([output.init_ms for output in outputs])),
        peak_rss_bytes=max(peaks) if peaks else _peak_rss(there, index, threads),
        baseline_rss_bytes=outputs[0].baseline_rss_bytes,
        affinity=there.cpus,
        profile=_profile(there, index, threads) if profiled and there.plan.profile else [],
    )


def _peak_rss(there: Deployment, index: int, threads: int) -> int | None:
    """Peak memory by benchmark_model, in a run of its own: it monitors its memory from an additional thread."""
    if not there.program.knows("report_peak_memory_footprint"):
        return None
    flags = there.flags(index, threads) | {"num_runs": 10, "min_secs": 0.1, "warmup_runs": 1, "warmup_min_secs": 0}
    run, result = _run(there, flags | {"report_peak_memory_footprint": "true"}, there.artifacts[index].name)
    return (result.peak_rss_bytes if result else None) or run.output.peak_rss_bytes


def _profile(there: Deployment, index: int, threads: int) -> list[Operator]:
    name = there.artifacts[index].name
    if not there.program.knows("enable_op_profiling", "op_profiling_output_mode", "op_profiling_output_file"):
        there.remarks.append(f"no profile: this build of {there.program.kind} writes none")
        return []
    flags = there.flags(index, threads) | {"num_runs": there.plan.runs, "enable_op_profiling": "true"}
    flags |= {"op_profiling_output_mode": "csv", "op_profiling_output_file": "profile.csv"}
    there.program.run(flags, what=name)
    there.remarks.append("profile: each operator's mean, at the first thread count; a delegate counts as one operator")
    try:
        return operator_profile.read(there.space.pull("profile.csv").decode(errors="replace"))
    except ValueError as error:
        raise TargetError(f"{name} on {there.target}: no valid profile: {error}.") from None


def _method(there: Deployment, timings: Sequence[Timing]) -> str:
    raw = all(timing.latencies_ns for timing in timings)
    program = f"{there.program.kind}{there.space.transport.remark}"
    return (
        f"{program}: a process for each file and thread count in each of {ROUNDS} rounds in random order, "
        f"each with at least {there.plan.warmup} warm-ups and {math.ceil(there.plan.runs / ROUNDS)} counted runs; "
        + ("each run timed" if raw else "its own statistics, in whole microseconds")
    )


def _others_cores(
    before: Mapping[str, Any], after: Mapping[str, Any], runs: Sequence[Run], seconds: float
) -> float | None:
    """Cores that other processes used meanwhile; None where the target does not report it."""
    own = [run.cpu_s for run in runs if run.cpu_s is not None]
    if not before["cpu_ticks"] or not after["cpu_ticks"] or len(own) < len(runs):
        return None
    ticks = [int(b) - int(a) for a, b in zip(before["cpu_ticks"], after["cpu_ticks"], strict=True)]
    busy_s = (sum(ticks) - ticks[3] - ticks[4]) / _TICKS_PER_S  # all but idle and iowait
    return max(0.0, (busy_s - sum(own)) / seconds)
