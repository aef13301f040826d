"""This machine as a target: the runner in a fresh process, with nothing of edgekit or TensorFlow in it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bench.device import runner
from edgekit.bench.litert import cores
from edgekit.errors import TargetError
from edgekit.recipe import BenchSection
from edgekit.types import Artifact, Measurement

_TIMEOUT_S = 600
# Other processes' share of a core beyond which a latency says more about them than about the file.
_MOST_OTHERS = 0.3


def measure(artifacts: Sequence[Artifact], plan: BenchSection, image: NDArray[np.float32]) -> list[Measurement]:
    """Measure all artifacts at all thread counts, interleaved in one process; peak memory in one more each.

    Args:
        image: (1, H, W, C) float32 in [0, 1], a real one.

    Raises:
        TargetError: the runner failed or took longer than ten minutes.
    """
    threads = sorted({count or cores() for count in plan.threads})
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as folder:
        inputs = Path(folder) / "image.npy"
        np.save(inputs, image)
        job = {"inputs": str(inputs), "threads": threads, "runs": plan.runs, "warmup": plan.warmup}
        found = _run({**job, "mode": "latency", "models": [str(a.path.resolve()) for a in artifacts]}, Path(folder))
        peaks = {
            a.name: _run({**job, "mode": "memory", "models": [str(a.path.resolve())]}, Path(folder)) for a in artifacts
        }
    by_path = {str(a.path.resolve()): a for a in artifacts}
    return [_measurement(by_path[row["model"]], row, found, peaks[by_path[row["model"]].name]) for row in found["rows"]]


def _run(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    try:
        done = subprocess.run(
            [sys.executable, "-I", runner.__file__, str(path)], capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise TargetError(f"The benchmark on this machine did not end within {_TIMEOUT_S} s.") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise TargetError(f"The benchmark on this machine failed: {last[0]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def _measurement(
    artifact: Artifact, row: Mapping[str, Any], found: Mapping[str, Any], peak: Mapping[str, Any]
) -> Measurement:
    latencies_ms = np.array(row["latencies_ns"]) / 1e6
    others = found["conditions"]["other_processes_cores"]
    reason = None
    if others is not None and others > _MOST_OTHERS:
        reason = f"other processes used {others:.2f} cores meanwhile (allowed {_MOST_OTHERS})"
    return Measurement(
        artifact=artifact.name,
        artifact_sha256=artifact.sha256,
        target="host",
        device=found["device"],
        runtime=row["runtime"],
        threads=row["threads"],
        latencies_ns=row["latencies_ns"],
        p50_ms=float(np.percentile(latencies_ms, 50)),
        p90_ms=float(np.percentile(latencies_ms, 90)),
        runs=len(latencies_ms),
        init_ms=row["init_ms"],
        peak_rss_bytes=peak["peak_rss_bytes"],
        valid=reason is None,
        invalid_reason=reason,
        conditions={**found["conditions"], "warmups": row["warmups"], "baseline_rss_bytes": peak["baseline_bytes"]},
    )
