"""What do two workers gain over one, and what does Ray cost? Goals: >= 1.8 times as fast; Ray within 15 % of local processes.

One study of 8 runs on the shipped images (conv8, two arms x four RNG seeds, a core each), made three times from empty caches:
one local process at a time, two at a time, and two on a Ray cluster of this machine. All three must give the same verdicts,
digit for digit. Ray's seconds contain the start of its cluster; they are also told without it. `--quick` trains one epoch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from record import Case, arguments, need, record, run, say

STUDY = {
    "base": {"data": {"spec": "fashion-mnist-mini"}, "student": {"name": "conv8"}, "training": {"epochs": 60}},
    "arms": {"all": {}, "half": {"curation": {"method": "random", "budget": 0.5}}},
    "controls": False,
    "compare": [["half", "all"]],
    "seeds": 4,
}
WAYS = {
    "one local": ["--jobs", "1"],
    "two local": ["--jobs", "2"],
    "two on Ray": ["--jobs", "2", "--engine", "ray", "--address", "local"],
}


def study_document(file: Path, folder: Path, options: list[str], quick: Case) -> dict[str, Any]:
    """Seconds of the whole command and of its runs, and the verdicts."""
    command = [sys.executable, "-m", "edgekit", "study", str(file), "--out", str(folder), "--json", *options]
    command += ["--max-hours", "1e-9"] if quick is Case.TINY else []
    start = time.perf_counter()
    done = subprocess.run(
        command, env=os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    if done.returncode and quick is not Case.TINY:  # of a tiny case no run begins, which is no success
        print(done.stderr, file=sys.stderr)
        raise SystemExit(done.returncode)
    document = json.loads(done.stdout)
    begun = [file.stat().st_mtime for file in folder.glob("jobs/*/recipe.yaml")]
    ended = [file.stat().st_mtime for file in folder.glob("jobs/*/outcome.json")]
    return {
        "seconds": round(seconds, 2),
        "from_first_to_last_run": round(max(ended) - min(begun), 2) if ended else 0.0,
        "runs": {run["name"]: run["seconds"] for run in document["runs"]},
        "verdicts": [{k: row[k] for k in ("metric", "artifact", "effect", "lower", "upper")} for row in document["verdicts"]],
    }  # fmt: skip


def main() -> None:
    quick = arguments(__doc__).quick
    need("pip install 'edgekit[ray]'", packages=("ray",))
    study = json.loads(json.dumps(STUDY))
    if quick:
        study["base"]["training"]["epochs"] = study["seeds"] = 1
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "study.yaml")
        file.write_text(yaml.safe_dump(study))
        for number, (name, options) in enumerate(WAYS.items()):
            if number and quick is Case.TINY:
                found[name] = found["one local"]
                continue
            found[name] = study_document(file, Path(folder, str(number)), options, quick)
            say(f"{name}: {found[name]['seconds']:.1f} s, of which runs {found[name]['from_first_to_last_run']:.1f} s")
    one, two, ray = (found[name] for name in WAYS)
    same = one["verdicts"] == two["verdicts"] == ray["verdicts"]
    speedup, cost = one["seconds"] / two["seconds"], ray["seconds"] / two["seconds"]
    detail = {
        "seconds": {name: row["seconds"] for name, row in found.items()},
        "ray_over_local": round(cost, 3),
        "ray_over_local_without_its_start": round(
            ray["from_first_to_last_run"] / (two["from_first_to_last_run"] or 1), 3
        ),
        "same_verdicts_digit_for_digit": same,
    }
    met = None if quick else bool(speedup >= 1.8 and cost <= 1.15 and same)
    record("study_scaling", speedup, "one / two workers", ">= 1.8, Ray within 15 %, same", met, detail, found, quick)


if __name__ == "__main__":
    run(main)
