"""What device/runner.py told from a target: checked, for it comes from another machine; or the error that says what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.bench.command import Completed, plain
from edgekit.bench.session import Job
from edgekit.errors import TargetError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The runner's document (device/runner.py). memory, profiles, outputs: by a file's place in the job, as text."""

    rows: Sequence[Mapping[str, Any]]
    memory: Mapping[str, Mapping[str, Any]]
    profiles: Mapping[str, Sequence[float]]
    outputs: Mapping[str, Mapping[str, str]]
    affinity: Sequence[int] | None
    before: str
    after: str
    others_cores: float | None
    seconds: float


def read(done: Completed, target: str, job: Job) -> Answer:
    """The document in the last line of the runner's stdout.

    Raises:
        TargetError: the runner failed (no runtime, a file that cannot be run, ...), or its document is not whole.
    """
    last = done.stdout.decode(errors="replace").strip().rpartition("\n")[2]
    try:
        told = _plain(json.loads(last))
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict) and "error" in told and done.status:
        raise TargetError(_failure(told, target, job))
    if done.status:
        signal = f"signal {done.status - 128}" if done.status > 128 else f"exit status {done.status}"
        raise TargetError(f"The runner on {target} failed ({signal}): {done.last_line}")
    if not isinstance(told, dict):
        raise TargetError(f"The runner on {target} ended without its result; its last line: {last[:80]!r}.")
    try:
        return _checked(told, job)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise TargetError(
            f"The runner on {target} gave a result that is not whole ({type(error).__name__}: {error})."
        ) from None


def _checked(told: Mapping[str, Any], job: Job) -> Answer:
    rows = [_row(row, told["memory"], job) for row in told["rows"]]
    pairs = {(row["model"], row["threads"]) for row in rows}
    counts = {threads for _, threads in pairs}
    if len(pairs) < len(rows) or len(pairs) < len({model for model, _ in pairs}) * len(counts):
        raise ValueError("files and thread counts that were not all measured")
    # Without ONNX Runtime .onnx files are left out; nothing else is.
    missing = set(range(len(job.artifacts))) - {model for model, _ in pairs}
    if any(job.artifacts[index].format != "onnx" for index in missing):
        raise ValueError("a file that was not measured")
    others = told["others_cores"]
    return Answer(
        rows=rows,
        memory=told["memory"],
        profiles={key: [float(ms) for ms in values] for key, values in told["profiles"].items()},
        outputs={key: {"sha256": str(o["sha256"]), "kernels": str(o["kernels"])} for key, o in told["outputs"].items()},
        affinity=None if told["affinity"] is None else [int(cpu) for cpu in told["affinity"]],
        before=str(told["before"]),
        after=str(told["after"]),
        others_cores=None if others is None else float(others),
        seconds=float(told["seconds"]),
    )


def _row(row: Mapping[str, Any], memory: Mapping[str, Mapping[str, Any]], job: Job) -> dict[str, Any]:
    model, latencies = int(row["model"]), row["latencies_ns"]
    if not 0 <= model < len(job.artifacts) or len(latencies) < job.plan.runs:
        raise ValueError(f"{len(latencies)} runs of file {model}, not {job.plan.runs}")
    if not all(isinstance(value, int) and value > 0 for value in latencies):
        raise ValueError("a latency that is no whole number of nanoseconds")
    peak, baseline = (memory[str(model)][key] for key in ("peak_bytes", "baseline_bytes"))
    if not isinstance(peak, int | None) or not isinstance(baseline, int | None):
        raise TypeError("memory that is no whole number of bytes")
    return {
        "model": model,
        "threads": int(row["threads"]),
        "runtime": str(row["runtime"]),
        "kernels": str(row["kernels"]),
        "warmups": int(row["warmups"]),
        "init_ms": float(row["init_ms"]),
        "latencies_ns": latencies,
    }


def _plain(value: Any) -> Any:
    """A device's JSON with every text as a terminal may see it; facts.sh's keep their lines, and are read by facts.parse."""
    if isinstance(value, str):
        return "\n".join(map(plain, value.split("\n")))
    if isinstance(value, list):
        return value if value and isinstance(value[0], int) else [_plain(each) for each in value]
    if isinstance(value, dict):
        return {plain(key): _plain(each) for key, each in value.items()}
    return value


def _failure(told: Mapping[str, Any], target: str, job: Job) -> str:
    """The message for a runner that says itself what is wrong."""
    error, tried = told["error"], told.get("tried", {})
    system = f"Python {told.get('python')}, {told.get('machine')}"
    reasons = "; ".join(f"{name}: {why}" for name, why in tried.items() if "ModuleNotFoundError" not in why)
    install = "pip install ai-edge-litert" if target == "host" else f"run `edgekit setup-device {target}`"
    needed = re.search(r"`?GLIBC_([\d.]+)'? not found", reasons)
    if needed:
        return (
            f"{target} has {told.get('libc') or 'an unknown C library'}, and its LiteRT runtime needs glibc {needed[1]}: take a "
            "newer system (Raspberry Pi OS bookworm or later), or give a native runner with --runner."
        )
    if error == "no runtime":
        if all(artifact.format == "onnx" for artifact in job.artifacts):
            return f"There is no onnxruntime on {target} ({system}), and all files are .onnx; measure the .tflite files there."
        return (
            f"There is no LiteRT runtime on {target} ({system}): {install}.{f' Found: {reasons}.' if reasons else ''}"
        )
    if error == "no numpy":
        return f"There is no numpy on {target} ({system}): {install}."
    if error == "model":
        number = re.fullmatch(r"m(\d+)\.\w+", str(told.get("file")))
        known = number is not None and int(number[1]) < len(job.artifacts)
        name = job.artifacts[int(number[1])].name if number is not None and known else "a file"
        return f"{name} cannot be run on {target}: {' '.join(str(told.get('message')).split())[:300]}"
    if error == "affinity":
        return f"The cores of --affinity {job.plan.affinity} cannot be used on {target}: {told.get('message')}."
    return f"The runner on {target} failed: {str(error)[:300]}"
