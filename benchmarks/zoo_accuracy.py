"""How accurate are the zoo's products on the official test sets, as int8 files of a given size, over several RNG seeds?

Goal: the mean over the seeds reaches each row's accuracy, and no file is larger than the row allows. Each row is merged into
results/zoo_accuracy.json with its own date, revision and load: rows measured at other times stay. `--quick` builds one seed of
one row on the shipped images. Needs the rows' data sets ($EDGEKIT_DATA, the cache, or the network).

    python benchmarks/zoo_accuracy.py --seeds 1 --keep runs/zoo     # --only mnist-xs: one row
    edgekit zoo publish runs/zoo/mnist-xs-* --name mnist-xs-int8 --results benchmarks/results/zoo_accuracy.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builds import build, test_of
from record import ROOT, Case, cpu_facts, kept, parser, record, run, say

from edgekit import recipe
from edgekit.bench.files import bench_files
from edgekit.evidence.proportion import wilson
from edgekit.runs.environment import environment
from edgekit.types import Silent

RECIPES = ROOT / "benchmarks" / "recipes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one product must reach. above: the row that it must beat by `margin`, where no absolute accuracy is the goal."""

    name: str
    most_bytes: int | None = None
    goal: float | None = None
    seeds: tuple[int, ...] = (1, 2, 3)
    above: str = ""
    margin: float = 0.0

    @property
    def recipe(self) -> Path:
        return RECIPES / f"{self.name}.yaml"


ROWS = (
    Row(name="mnist-xs", goal=0.995, most_bytes=20_480),
    Row(name="mnist-s", goal=0.9960, most_bytes=40_960),
    Row(name="mnist-rescnn", goal=0.9955, most_bytes=6_710_886, seeds=(1,)),
    Row(name="fashion-mnist-s", goal=0.925, most_bytes=40_960),
    Row(name="fashion-mnist-m", goal=0.935, most_bytes=102_400, seeds=(1,)),
    Row(name="fashion-mnist-l", goal=0.943, most_bytes=307_200, seeds=(1,)),
    # MLPerf Tiny's network on the same files: what the next row is held against, by itself without a goal.
    Row(name="cifar10-jpeg-resnet8", seeds=(1,)),
    Row(name="cifar10-jpeg", above="cifar10-jpeg-resnet8", margin=0.02, most_bytes=98_496, seeds=(1,)),
)
QUICK = [
    "--data",
    "fashion-mnist-mini",
    "--set",
    "training.epochs=1",
    "--set",
    "teacher.epochs=1",
    "--set",
    "distillation.views=1",
    "--set",
    "bench.targets=[]",
]


def measure(row: Row, seeds: tuple[int, ...], keep: Path | None, quick: Case) -> dict[str, Any]:
    """Build every seed of a row; what is kept and finished already is not built again."""
    found = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            out = keep / f"{row.name}-{seed}" if keep else Path(folder, "run")
            # Kept runs share the stage cache in the folder too, so that a training that was stopped goes on.
            built = _run(row, seed, out, keep / "cache" if keep else Path(folder, "cache"), quick)
        found.append(_figures(built, seed))
        say(_line(row.name, found[-1]))
    mean = sum(each["accuracy"] for each in found) / len(found)
    return {
        "mean_accuracy": round(mean, 6),
        "mean_float32_accuracy": round(sum(each["float32_accuracy"] for each in found) / len(found), 6),
        "largest_bytes": max(each["size_bytes"] for each in found),
        "goal": row.goal,
        "most_bytes": row.most_bytes,
        "seeds": found,
        "recipe": row.recipe.name,
        "measured": time.strftime("%Y-%m-%d"),
        "device": cpu_facts(),
        "load_average": os.getloadavg(),
        **environment(),
    }


def _run(row: Row, seed: int, out: Path, cache: Path, quick: Case) -> dict[str, Any]:
    settings = ["--recipe", str(row.recipe), "--seed", str(seed), *(QUICK if quick else [])]
    if not (out / "manifest.json").is_file():
        return build(out, cache, *settings, quick=quick)
    manifest = json.loads((out / "manifest.json").read_text())
    if manifest["recipe"] != recipe.load(row.recipe, values={"seed": seed}).to_yaml():
        sys.exit(f"{out} is a run of another recipe than {row.recipe}; remove it, or choose another --keep.")
    if manifest["status"] != "complete":
        return build(out, cache, *settings, "--resume")
    say(f"{out} is finished already; its report is read")
    return {"report": json.loads((out / "report.json").read_text())}


def _figures(built: dict[str, Any], seed: int) -> dict[str, Any]:
    report = built["report"]
    shipped = next(each for each in report["artifacts"] if each["name"] == report["run"]["shipped"])
    int8, exact = test_of(report, shipped["name"]), test_of(report, "model_float32.tflite")
    val = next(e for e in report["evaluations"] if e["artifact"] == shipped["name"] and e["split"] == "val")
    return {
        "seed": seed,
        "accuracy": int8["accuracy"],
        "interval_95": wilson(int8["accuracy"], int8["n"]),
        "n": int8["n"],
        "val_accuracy": val["accuracy"],
        "float32_accuracy": exact["accuracy"],
        "drop_points": round(100 * (exact["accuracy"] - int8["accuracy"]), 4),
        "size_bytes": shipped["size_bytes"],
        "gzip_bytes": shipped["gzip_bytes"],
        "sha256": shipped["sha256"],
        "training_s": round(report["training"]["student"]["seconds"], 1),
        "stages_s": report["timings"],
        "created": report["run"]["created"],
        "git_revision": report["run"]["git_revision"],
        "trained_on": report["training"]["student"]["device"],
        "params": report["training"]["student"]["params"],
        "macs": report["training"]["student"]["macs"],
    }


def _line(name: str, each: dict[str, Any]) -> str:
    low, high = each["interval_95"]
    return (
        f"{name}, seed {each['seed']}: int8 {each['accuracy']:.4f} (95 % {low:.4f} to {high:.4f}, n = {each['n']:,}), float32 "
        f"{each['float32_accuracy']:.4f}, drop {each['drop_points']:.2f} points, {each['size_bytes']:,} bytes, "
        f"{each['training_s']:.0f} s of training"
    )


def side_by_side(row: Row, keep: Path, seeds: tuple[int, ...]) -> dict[str, Any] | None:
    """p50 of one thread of this row's file and of the one it is held against, interleaved; None if they are not both kept."""
    runs = [*sorted(keep.glob(f"{row.above}-[0-9]*"))[:1], keep / f"{row.name}-{seeds[0]}"]
    reports = [run / "report.json" for run in runs]
    if len(runs) < 2 or not all(path.is_file() for path in reports):
        return None
    shipped = [json.loads(path.read_text())["run"]["shipped"] for path in reports]
    with tempfile.TemporaryDirectory() as folder:
        links = []
        for run, name, short in zip(runs, shipped, (row.above, row.name), strict=True):
            links.append(Path(folder, f"{short}.tflite"))
            links[-1].write_bytes((run / "artifacts" / name).read_bytes())
        rows = bench_files(links, None, recipe.bench_of(threads=(1,), runs=300), Silent()).measurements
    return {
        Path(each.artifact).stem: {
            "p50_ms": each.p50_ms,
            "valid": each.verdict != "invalid",
            "latencies_ns": list(each.latencies_ns),
        }
        for each in rows
    }


def judge(rows: dict[str, dict[str, Any]]) -> None:
    """Put `met` into each measured row: None = too few seeds, or nothing to hold it against."""
    for row in ROWS:
        if (found := rows.get(row.name)) is None:
            continue
        if row.above and row.above in rows:
            found["goal"] = round(rows[row.above]["mean_accuracy"] + row.margin, 6)
        small = row.most_bytes is None or found["largest_bytes"] <= row.most_bytes
        enough = found["goal"] is not None and len(found["seeds"]) >= len(row.seeds)
        found["met"] = bool(found["mean_accuracy"] >= found["goal"] and small) if enough else None
        if latency := found.get("side_by_side"):
            mine, other = latency[row.name], latency[row.above]
            # A latency measured beside other work decides nothing.
            found["as_fast"] = mine["p50_ms"] <= other["p50_ms"] if mine["valid"] and other["valid"] else None
            found["met"] = found["met"] and found["as_fast"]
        elif row.above:  # the goal has a latency in it, which only kept runs (--keep) can tell
            found["met"] = None


def main() -> None:
    arguments = _arguments()
    if arguments.quick:
        names, seeds = ["fashion-mnist-s"], (1,)
    else:
        names, seeds = arguments.only or [row.name for row in ROWS], arguments.seeds
    table = {row.name: row for row in ROWS}
    if strange := [name for name in names if name not in table]:
        sys.exit(f"There is no row {strange[0]!r}; the rows are {', '.join(table)}.")
    rows: dict[str, Any] = {} if arguments.quick else kept("zoo_accuracy").get("raw", {})
    for name in names:
        row = table[name]
        if not row.recipe.is_file():
            say(f"{name}: not measured, since {row.recipe.relative_to(ROOT)} is not there")
            continue
        mine = seeds or row.seeds
        rows[name] = measure(row, mine, None if arguments.quick else arguments.keep, arguments.quick)
        if row.above and arguments.keep and (latency := side_by_side(row, arguments.keep, mine)):
            rows[name]["side_by_side"] = latency
        mean, largest = rows[name]["mean_accuracy"], rows[name]["largest_bytes"]
        say(f"{name}: mean {mean:.4f} over {len(mine)} seeds, at most {largest:,} bytes")
        judge(rows)
        write(rows, arguments.quick)
    if not rows:
        sys.exit("No row could be measured: none of the recipes is there.")
    if not any(table[name].recipe.is_file() for name in names):
        sys.exit("None of the rows asked for could be measured.")


def write(rows: dict[str, dict[str, Any]], quick: bool) -> None:
    """The result file after each row, so that a long run that is stopped keeps what it has."""
    with_goal = [row for row in ROWS if row.goal is not None or row.above]
    states = [rows[row.name]["met"] for row in with_goal if row.name in rows]
    detail = {
        name: {key: found[key] for key in ("mean_accuracy", "goal", "largest_bytes", "most_bytes", "met", "measured")}
        | {"seeds": len(found["seeds"]), "git_revision": found["git_revision"]}
        for name, found in rows.items()
    }
    detail["not_measured"] = [row.name for row in ROWS if row.name not in rows]
    met = False if False in states else None if None in states or len(states) < len(with_goal) else True
    met = None if quick else met
    record(
        "zoo_accuracy",
        sum(state is True for state in states),
        f"rows met of {len(with_goal)}",
        "mean test accuracy over the seeds and size of each row",
        met,
        detail,
        rows,
        quick,
    )


def _arguments() -> argparse.Namespace:
    arguments = parser(__doc__, "one seed of one row on the shipped images")
    arguments.add_argument("--only", action="append", metavar="NAME", help="a row; may be repeated; default: all")
    arguments.add_argument(
        "--seeds", type=_seeds, default=(), metavar="1,2,3", help="RNG seeds; default: the row's own"
    )
    arguments.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep run folders and stage cache in DIR, and go on there"
    )
    return arguments.parse_args()


def _seeds(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(part) for part in text.split(",")))


if __name__ == "__main__":
    run(main)
