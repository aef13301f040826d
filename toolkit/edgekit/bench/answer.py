"""Checks the document that device/runner.py printed on a target; raises an error that says what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.bench.command import Completed, plain
from edgekit.bench.session import Job
from edgekit.bench.transport import Transport
from edgekit.errors import TargetError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The runner's document (device/runner.py). memory, profiles, outputs: keys are a file's index in the job, as text."""

    rows: Sequence[Mapping[str, Any]]
    memory: Mapping[str, Mapping[str, Any]]
    profiles: Mapping[str, Sequence[float]]
    outputs: Mapping[str, Mapping[str, str]]
    affinity: Sequence[int] | None
    before: str
    after: str
    others_cores: float | None
    seconds: float


def read(done: Completed, there: Transport, job: Job) -> Answer:
    """The document in the last line of the runner's stdout.

    Raises:
        TargetError: the runner failed (no runtime, a file that cannot be run, ...), or its document is incomplete.
    """
    target = there.text
    last = done.stdout.decode(errors="replace").strip().rpartition("\n")[2]
    try:
        document = _plain(json.loads(last))
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and "error" in document and done.status:
        raise TargetError(_failure(document, there, job))
    if done.status:
        signal = f"signal {done.status - 128}" if done.status > 128 else f"exit status {done.status}"
        raise TargetError(f"The runner on {target} failed ({signal}): {done.last_line}")
    if not isinstance(document, dict):
        raise TargetError(f"The runner on {target} ended without a result; its last line: {last[:80]!r}.")
    try:
        return _checked(document, job)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise TargetError(
            f"The runner on {target} returned an incomplete result ({type(error).__name__}: {error})."
        ) from None


def _checked(document: Mapping[str, Any], job: Job) -> Answer:
    rows = [_row(row, document["memory"], job) for row in document["rows"]]
    pairs = {(row["model"], row["threads"]) for row in rows}
    counts = {threads for _, threads in pairs}
    if len(pairs) < len(rows) or len(pairs) < len({model for model, _ in pairs}) * len(counts):
        raise ValueError("files and thread counts that were not all measured")
    # Without ONNX Runtime, .onnx files are left out; nothing else may be missing.
    missing = set(range(len(job.artifacts))) - {model for model, _ in pairs}
    if any(job.artifacts[index].format != "onnx" for index in missing):
        raise ValueError("a file that was not measured")
    others = document["others_cores"]
    return Answer(
        rows=rows,
        memory=document["memory"],
        profiles={key: [float(ms) for ms in values] for key, values in document["profiles"].items()},
        outputs={
            key: {"sha256": str(o["sha256"]), "kernels": str(o["kernels"])} for key, o in document["outputs"].items()
        },
        affinity=None if document["affinity"] is None else [int(cpu) for cpu in document["affinity"]],
        before=str(document["before"]),
        after=str(document["after"]),
        others_cores=None if others is None else float(others),
        seconds=float(document["seconds"]),
    )


def _row(row: Mapping[str, Any], memory: Mapping[str, Mapping[str, Any]], job: Job) -> dict[str, Any]:
    model, latencies = int(row["model"]), row["latencies_ns"]
    if not 0 <= model < len(job.artifacts) or len(latencies) < job.plan.runs:
        raise ValueError(f"{len(latencies)} runs of file {model}, not {job.plan.runs}")
    if not all(isinstance(value, int) and value > 0 for value in latencies):
        raise ValueError("a latency that is not a whole number of nanoseconds")
    peak, baseline = (memory[str(model)][key] for key in ("peak_bytes", "baseline_bytes"))
    if not isinstance(peak, int | None) or not isinstance(baseline, int | None):
        raise TypeError("memory that is not a whole number of bytes")
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
    """A device's JSON with every string made safe for a terminal; the lines of facts.sh are kept for facts.parse."""
    if isinstance(value, str):
        return "\n".join(map(plain, value.split("\n")))
    if isinstance(value, list):
        return value if value and isinstance(value[0], int) else [_plain(each) for each in value]
    if isinstance(value, dict):
        return {plain(key): _plain(each) for key, each in value.items()}
    return value


def _failure(document: Mapping[str, Any], there: Transport, job: Job) -> str:
    """The message for an error that the runner itself reported."""
    target, error, tried = there.text, document["error"], document.get("tried", {})
    system = f"Python {document.get('python')}, {document.get('machine')}"
    reasons = "; ".join(f"{name}: {why}" for name, why in tried.items() if "ModuleNotFoundError" not in why)
    needed = re.search(r"`?GLIBC_([\d.]+)'? not found", reasons)
    if needed:
        return (
            f"{target} has {document.get('libc') or 'an unknown C library'}, and its LiteRT runtime needs glibc {needed[1]}: "
            "use a newer system (Raspberry Pi OS bookworm or later), or give a native runner with --runner."
        )
    if error == "no runtime":
        if all(artifact.format == "onnx" for artifact in job.artifacts):
            return f"There is no onnxruntime on {target} ({system}), and all files are .onnx; measure the .tflite files there."
        return f"There is no LiteRT runtime on {target} ({system}): {there.install}.{f' Found: {reasons}.' if reasons else ''}"
    if error == "no numpy":
        return f"There is no numpy on {target} ({system}): {there.install}."
    if error == "model":
        number = re.fullmatch(r"m(\d+)\.\w+", str(document.get("file")))
        known = number is not None and int(number[1]) < len(job.artifacts)
        name = job.artifacts[int(number[1])].name if number is not None and known else "a file"
        return f"{name} cannot be run on {target}: {' '.join(str(document.get('message')).split())[:300]}"
    if error == "affinity":
        return f"The cores of --affinity {job.plan.affinity} cannot be used on {target}: {document.get('message')}."
    return f"The runner on {target} failed: {str(error)[:300]}"
