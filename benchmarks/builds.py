"""Whole builds as a user starts them, timed from outside."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from record import ROOT, Case

# A case small enough for --quick; it cannot reach the demanded accuracy.
QUICK = ["--set", "teacher.epochs=1", "--set", "training.epochs=2"]

# The run that stands for every build of a tiny case: all that a report can tell of, of a network that has learned nothing.
TINY = [
    "--curate", "iqr", "--set", "curation.max_class_edit=1", "--control", "--student", "conv8", "--quantize", "int8",
    "--set", "data.limit=200", "--set", "teacher.epochs=1", "--set", "training.epochs=1", "--set", "bench.targets=[]",
    "--set", "quantization.onnx=false", "--set", "accept_chance=true",
]  # fmt: skip


def build(out: Path, cache: Path, *options: str, quick: bool = False) -> dict[str, Any]:
    """Run `edgekit build` into `out` with its own cache; returns seconds, peak RSS of the process tree, and report.json.

    Of a tiny case the options are only planned, in this process, and `out` gets a copy of the one run that all such cases share.
    """
    start, peak = time.perf_counter(), [0]
    if quick is Case.TINY:
        _edgekit("build", *options, "--dry-run")
        shutil.copytree(_tiny(), out)
    else:
        _outside(out, cache, options, peak)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_rss_bytes": peak[0], "report": json.loads((out / "report.json").read_text())}


def _outside(out: Path, cache: Path, options: tuple[str, ...], peak: list[int]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "edgekit", "build", "--out", str(out), *options],
        cwd=ROOT,
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watcher.start()
    status = process.wait()
    watcher.join()
    if status:
        print(f"Error: the build failed with exit code {status}", file=sys.stderr)
        raise SystemExit(status)


@functools.cache
def _tiny() -> Path:
    """The run folder that the tiny cases of this process share."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _edgekit("build", "--out", str(Path(folder, "run")), *TINY)
    return Path(folder, "run")


def _edgekit(*words: str) -> None:
    from edgekit.cli.app import app

    with contextlib.redirect_stdout(sys.stderr):
        app(list(words), standalone_mode=False)


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
