"""What does `edgekit bench FILE --target ssh://...` cost beyond the measured runs and the transfer?

Goal: 3 s or less on the arm64 test machine, with a new connection. A second bench reuses the connection, and a file of 20 MB
is pushed once: not again while its digest is unchanged. Overhead = wall time of the whole command - the seconds in which files
ran on the target (memory, warm-ups, counted runs, outputs) - the seconds of the transfer. Default target: the virtual machine
of the device tests (tests/devices/vm.py), booted here; --target takes a real one.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from record import ROOT, lacking, median, parser, record, run, say

STUDENT = ROOT / "models" / "fashion-mnist-s-int8" / "model_int8.tflite"
DATA, SAMPLES = "fashion-mnist-mini", 64
REPEATS, QUICK_REPEATS = 5, 1
LARGE_BYTES = 20 * 1024**2
# What is pushed at each bench: the runner, the job and the samples.
SMALL_BYTES = 1024**2
GOAL_S = 3.0


@contextlib.contextmanager
def machine(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The arm64 machine of the device tests, booted for the block: its target and the environment in which that is known."""
    sys.path.insert(0, str(ROOT))
    from tests.devices import image, vm

    say("booting the arm64 test machine")
    try:
        running = vm.Machine(image.cached(), folder)
        running.start()
    except RuntimeError as error:
        lacking(f"the arm64 test machine, or --target: {error}")
    try:
        yield "ssh://pi", {"EDGEKIT_SSH_CONFIG": str(running.config)}
    finally:
        running.kill()


def bench(path: Path, target: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """One run of the command: its wall time and what the measurement tells of the parts, in seconds."""
    command = [sys.executable, "-m", "edgekit", "bench", str(path), "--data", DATA, "--samples", str(SAMPLES)]
    begin = time.perf_counter()
    done = subprocess.run(
        [*command, "--target", target, "--threads", "1", "--retries", "0", "--json"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    wall_s = time.perf_counter() - begin
    if done.returncode:
        print(done.stderr.strip().split("\n")[-1], file=sys.stderr)
        raise SystemExit(done.returncode)
    (row,) = json.loads(done.stdout)
    parts = row["conditions"]
    found = {
        "wall_s": wall_s,
        "session_s": parts["session_seconds"],
        "measured_s": parts["measured_seconds"],
        "push_s": parts["push_seconds"],
        "pushed_bytes": parts["pushed_bytes"],
        "overhead_s": wall_s - parts["measured_seconds"] - parts["push_seconds"],
        "emulated": row["emulated"],
    }
    say(f"{path.name}: {found['overhead_s']:.2f} s overhead of {wall_s:.2f} s, {found['pushed_bytes']:,} bytes pushed")
    return found


def sockets(folder: Path) -> set[int]:
    """The inodes of the sockets below a folder: the connections that ssh keeps."""
    return {p.lstat().st_ino for p in folder.rglob("*") if stat.S_ISSOCK(p.lstat().st_mode)}


def measure(target: str, environment: dict[str, str], repeats: int, folder: Path) -> dict[str, Any]:
    """Benches over new connections and over the same ones again, then twice that of a large file."""
    raw: dict[str, Any] = {"new": [], "again": [], "large": [], "reused": []}
    for number in range(repeats):
        # A folder of its own for ssh's sockets: no connection is there yet. Short: a socket's path has a limit.
        runtime = folder / str(number)
        runtime.mkdir(mode=0o700)
        known = {**environment, "XDG_RUNTIME_DIR": str(runtime)}
        raw["new"].append(bench(STUDENT, target, known))
        before = sockets(runtime)
        raw["again"].append(bench(STUDENT, target, known))
        raw["reused"].append(bool(before) and sockets(runtime) == before)
    # A FlatBuffer may be followed by anything. New bytes each time, so that no cache of the target has the file yet.
    large = folder / "large.tflite"
    large.write_bytes(STUDENT.read_bytes() + np.random.default_rng().bytes(LARGE_BYTES))
    raw["large"] = [bench(large, target, known) for _ in range(2)]
    return raw


def main() -> None:
    arguments = parser(__doc__, "one repeat")
    arguments.add_argument("--target", help="an ssh target, e.g. ssh://pi@raspberrypi; default: the arm64 test machine")
    options = arguments.parse_args()
    repeats = QUICK_REPEATS if options.quick else REPEATS
    with tempfile.TemporaryDirectory(prefix="ek-") as name:
        folder = Path(name)
        with contextlib.ExitStack() as stack:
            target, environment = (options.target, {}) if options.target else stack.enter_context(machine(folder))
            raw = measure(target, environment, repeats, folder)
    overhead_s = {kind: median([row["overhead_s"] for row in raw[kind]]) for kind in ("new", "again")}
    first, second = (row["pushed_bytes"] for row in raw["large"])
    once = first >= LARGE_BYTES and second < SMALL_BYTES
    detail = {
        "target": "arm64 test machine (qemu)" if options.target is None else "a device over ssh",
        "repeats": repeats,
        "overhead_again_s": round(overhead_s["again"], 3),
        "connection_reused": all(raw["reused"]),
        "large_pushed_bytes": [first, second],
        "large_pushed_once": once,
    }
    met = overhead_s["new"] <= GOAL_S and all(raw["reused"]) and once
    goal = f"<= {GOAL_S:.0f}, the connection reused, 20 MB pushed once"
    record("bench_overhead", overhead_s["new"], "s", goal, met, detail, raw, options.quick)


if __name__ == "__main__":
    run(main)
