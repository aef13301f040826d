"""Do our latencies on this machine agree with those of LiteRT's own `litert-benchmark`, side by side?

Goal: medians within 10 % on four files of MLPerf Tiny, one thread, at a resolution of 1 µs or better. Both programs run in turn,
ours, theirs, ours, theirs, a fresh process each time; the medians over the rounds of their medians are compared. Theirs rounds to
10 µs and feeds random numbers; ours a fixed random image. Files: --peers, EDGEKIT_MLPERF or ../shared/peers/mlperf-tiny.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from record import ROOT, Case, lacking, median, need, parser, record, run, say

from edgekit.bench.runners import python
from edgekit.bench.session import Job
from edgekit.bench.targets import host
from edgekit.bench.workspace import workspace
from edgekit.inference.standalone import artifact_of
from edgekit.recipe import BenchSection, addresses
from edgekit.types import Artifact

PEERS = Path(os.environ.get("EDGEKIT_MLPERF", ROOT.parent / "shared" / "peers" / "mlperf-tiny"))
FILES = ("pretrainedResnet", "pretrainedResnet_quant", "vww_96_int8", "vww_96_float")
PROGRAM = Path(sys.executable).parent / "litert-benchmark"
ROUNDS, QUICK_ROUNDS = 7, 2
RUNS, TINY_RUNS, WARMUPS, THREADS = 2000, 50, 200, 1
GOAL_PERCENT = 10.0


def ours(artifact: Artifact, runs: int) -> dict[str, Any]:
    """The median of one visit of edgekit's runner to this machine, in microseconds, and what it is made of."""
    image = np.random.default_rng(0).random((1, *artifact.inputs[0].shape[1:]), dtype=np.float32)
    transport = host.connect(addresses.parse("host"))
    try:
        with workspace(transport) as space:
            plan = BenchSection(runs=runs, warmup=WARMUPS)
            job = Job(artifacts=[artifact], plan=plan, image=image, samples=None, threads=(THREADS,))
            session = python.measure(space, job)
    finally:
        transport.close()
    (timing,) = session.timings
    steps = np.diff(np.unique(timing.latencies_ns))
    return {
        "median_us": timing.p50_ns / 1e3,
        "runs": timing.runs,
        "kernels": timing.kernels,
        "runtime": timing.runtime,
        "resolution_ns": int(steps.min()) if len(steps) else None,
        "others_cores": session.others_cores,
    }


def theirs(path: Path, runs: int) -> dict[str, Any]:
    """What litert-benchmark, installed beside this Python, tells of a file."""
    settings = {"model": path, "num_threads": THREADS, "num_runs": runs, "warmup_runs": WARMUPS}
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        options = [f"--{name}={value}" for name, value in {**settings, "result_json": result}.items()]
        subprocess.run([PROGRAM, *options], check=True, capture_output=True, timeout=300)
        found = json.loads(result.read_text())
    return {
        "median_us": found["latency"]["median_ms"] * 1e3,
        "runs": found["latency"]["num_runs"],
        "fully_accelerated": found["fully_accelerated"],
    }


def main() -> None:
    arguments = parser(__doc__, "fewer rounds")
    arguments.add_argument("--peers", type=Path, default=PEERS, help="folder of the MLPerf Tiny files")
    options = arguments.parse_args()
    need("pip install ai-edge-litert", programs=(str(PROGRAM),))
    files = [options.peers / f"{name}.tflite" for name in FILES]
    if options.quick is Case.TINY:
        files = [path for path in files if path.is_file()][:1] or files
    if missing := [path.name for path in files if not path.is_file()]:
        lacking(
            f"{', '.join(missing)} of MLPerf Tiny in {options.peers}: --peers or EDGEKIT_MLPERF names another folder"
        )
    artifacts, runs = [artifact_of(path) for path in files], options.quick.of(RUNS, RUNS, TINY_RUNS)
    raw: dict[str, dict[str, list[dict[str, Any]]]] = {a.name: {"ours": [], "theirs": []} for a in artifacts}
    for number in range(options.quick.of(ROUNDS, QUICK_ROUNDS, 1)):
        for artifact in artifacts:
            raw[artifact.name]["ours"].append(ours(artifact, runs))
            raw[artifact.name]["theirs"].append(theirs(artifact.path, runs))
            last = {who: rows[-1]["median_us"] for who, rows in raw[artifact.name].items()}
            say(f"round {number + 1} {artifact.name}: ours {last['ours']:.1f} µs, theirs {last['theirs']:.0f} µs")
    rows = []
    for name, found in raw.items():
        mine, other = (median([row["median_us"] for row in found[who]]) for who in ("ours", "theirs"))
        rows.append(
            {
                "file": name,
                "ours_us": round(mine, 2),
                "theirs_us": round(other, 2),
                "difference_percent": round(100 * (mine / other - 1), 2),
            }
        )
    worst = max(abs(row["difference_percent"]) for row in rows)
    resolutions = [row["resolution_ns"] for found in raw.values() for row in found["ours"]]
    resolution_ns = max(math.inf if value is None else value for value in resolutions)
    detail = {
        "files": rows,
        "threads": THREADS,
        "rounds": len(raw[artifacts[0].name]["ours"]),
        "runs_each": runs,
        "our_resolution_ns": resolution_ns,
        "their_resolution_ns": 10_000,
    }
    met = worst <= GOAL_PERCENT and resolution_ns <= 1000
    goal = f"<= {GOAL_PERCENT:.0f} on all files, resolution <= 1 µs"
    record("host_latency_agreement", worst, "% largest difference of medians", goal, met, detail, raw, options.quick)


if __name__ == "__main__":
    run(main)
