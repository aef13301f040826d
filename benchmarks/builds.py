"""Whole builds as a user starts them, timed from outside; used by demo_build and rebuild_cached."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from record import ROOT

# A case small enough for --quick; it cannot reach the demanded accuracy.
QUICK = ["--set", "teacher.epochs=1", "--set", "training.epochs=2"]


def build(out: Path, cache: Path, *options: str) -> dict[str, Any]:
    """Run `edgekit build` into `out` with its own cache; returns seconds, peak RSS of the process tree, and report.json."""
    command = [sys.executable, "-m", "edgekit", "build", "--out", str(out), *options]
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watcher.start()
    status = process.wait()
    seconds = time.perf_counter() - start
    watcher.join()
    if status:
        sys.exit(f"the build failed with exit code {status}")
    return {"seconds": seconds, "peak_rss_bytes": peak[0], "report": json.loads((out / "report.json").read_text())}


def _watch(process: subprocess.Popen[bytes], peak: list[int]) -> None:
    """Resident memory of the build and its children together, five times a second."""
    import psutil

    top = psutil.Process(process.pid)
    while process.poll() is None:
        total = 0
        try:
            for each in (top, *top.children(recursive=True)):
                total += each.memory_info().rss
        except psutil.Error:
            pass
        peak[0] = max(peak[0], total)
        time.sleep(0.2)


def test_of(report: dict[str, Any], artifact: str) -> dict[str, Any]:
    """The evaluation of `artifact` on test."""
    found: dict[str, Any] = next(e for e in report["evaluations"] if e["artifact"] == artifact and e["split"] == "test")
    return found
