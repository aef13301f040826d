"""How every benchmark here reports: progress to stderr, one JSON line to stdout, the whole to results/<name>.json."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from edgekit.bench import facts
from edgekit.environment import environment

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"


def cpu_facts() -> dict[str, Any]:
    """What is known of this machine."""
    done = subprocess.run(["sh", str(facts.SCRIPT)], capture_output=True, text=True, check=True)
    told = facts.parse(done.stdout)
    return {key: told[key] for key in ("machine", "kernel", "os", "cpu", "cores", "governors")}


def arguments(doc: str) -> argparse.Namespace:
    """--quick: a smaller case within 60 s on 2 cores, where `met` is null if it cannot decide."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller case, within 60 s on 2 cores")
    return parser.parse_args()


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def median(samples: list[float]) -> float:
    """The median, which is what may be quoted on a noisy machine."""
    return statistics.median(samples)


def record(
    name: str, value: float, unit: str, goal: str, met: bool | None, detail: dict[str, Any], raw: Any, quick: bool
) -> None:
    """Print the JSON line and write the result file (a quick run writes results/<name>.quick.json, which git ignores)."""
    line = {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "goal": goal,
        "met": met,
        "detail": detail | {"quick": quick},
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}{'.quick' if quick else ''}.json"
    facts = {
        "measured": time.strftime("%Y-%m-%d"),
        "device": cpu_facts(),
        "load_average": os.getloadavg(),
        **environment(),
    }
    path.write_text(json.dumps({**line, **facts, "raw": raw}, indent=1) + "\n")
    print(json.dumps(line))
