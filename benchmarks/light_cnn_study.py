"""Does the light-CNN study hold here: a residual CNN on MNIST, SWA, 50 % pruning, int8, AdamW against SGD with Nesterov?

Goal: int8 accuracy >= 99.55 % on the 28,000 unlabeled images at <= 6,710,886 bytes, and gzip <= 78 % of the unpruned int8 file's.
The 28,000 are labeled by `edgekit predict` and scored once, the arm having been chosen on validation. `--quick` takes 2,000
of the images that ship with edgekit for an epoch of a small network with AdamW. `--write DIR` only writes train.csv and
test.csv. `--keep DIR` keeps runs and data. Needs MNIST ($EDGEKIT_DATA, the cache, or the network).
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from builds import build, test_of
from numpy.typing import NDArray
from record import ROOT, Case, parser, record, run, say

from edgekit import data
from edgekit.evidence.proportion import wilson

RECIPE = ROOT / "benchmarks/recipes/light-cnn-study.yaml"
LABELED, SEED = 42_000, 42
GOAL, MOST_BYTES, MOST_GZIP = 0.9955, 6_710_886, 0.78
# As the study reports them, in percent and megabytes.
STUDY = {"accuracy_percent": 99.55, "float32_mb": 25.08, "int8_mb": 6.26, "change_percent": -75.04}
# Equal epochs; each optimizer at a rate that is usual for it, and at which its average is taken.
ARMS: dict[str, list[str]] = {
    "adamw": [],
    "sgd-nesterov": [
        "--set", "training.optimizer=sgd", "--set", "training.momentum=0.9", "--set", "training.learning_rate=0.05",
        "--set", "training.weight_decay=0.0005", "--set", "training.swa_learning_rate=0.01",
    ],
}  # fmt: skip
SMALL = [
    "--set", "student.name=conv8", "--set", "training.epochs=1", "--set", "pruning.epochs=1", "--set", "bench.targets=[]",
    "--set", "training.augment=none", "--set", "quantization.onnx=false", "--set", "accept_chance=true",
]  # fmt: skip


def write_tables(folder: Path, quick: Case) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Write train.csv and test.csv; returns the labels of test.csv's rows, and which rows are official test images."""
    dataset = data.load(quick.of("mnist", "fashion-mnist-mini", "fashion-mnist-mini"), split=False)
    order = np.random.default_rng(SEED).permutation(len(dataset.train))
    some, more = quick.of((LABELED, len(order)), (2000, 3000), (1200, 1250))
    labeled, rest, official = order[:some], order[some:more], np.arange(len(dataset.test))[: more if quick else None]
    folder.mkdir(parents=True, exist_ok=True)
    pixels = [f"pixel{i}" for i in range(dataset.train.x[0].size)]
    _write(folder / "train.csv", ["label", *pixels], dataset.train.x[labeled], dataset.train.y[labeled])
    hidden = np.concatenate([dataset.train.x[rest], dataset.test.x[official]])
    _write(folder / "test.csv", pixels, hidden, None)
    truth = np.concatenate([dataset.train.y[rest], dataset.test.y[official]])
    return truth, np.arange(len(truth)) >= len(rest)


def _write(path: Path, names: list[str], x: NDArray[np.uint8], y: NDArray[np.int64] | None) -> None:
    text = [str(value) for value in range(256)]
    with open(path, "w") as file:
        file.write(",".join(names) + "\n")
        for i, row in enumerate(x.reshape(len(x), -1).tolist()):
            file.write(("" if y is None else f"{y[i]},") + ",".join([text[value] for value in row]) + "\n")


def submission(run: Path, table: Path, out: Path) -> NDArray[np.str_]:
    """What `edgekit predict --kaggle` says of the table's rows."""
    command = [sys.executable, "-m", "edgekit", "predict", str(run), str(table), "--kaggle", "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(out, newline="") as file:
        return np.array([row["Label"] for row in csv.DictReader(file)])


def figures(report: dict[str, Any]) -> dict[str, Any]:
    """Sizes and accuracies of one run, by edgekit on the 20 % held out."""
    sizes = {each["name"]: each for each in report["artifacts"]}
    val = {e["artifact"]: e["accuracy"] for e in report["evaluations"] if e["split"] == "val"}
    float32, int8 = sizes["model_float32.tflite"], sizes[report["run"]["shipped"]]
    held_out = test_of(report, int8["name"])
    return {
        "val_accuracy": val[int8["name"]],
        "held_out_accuracy": held_out["accuracy"],
        "held_out_n": held_out["n"],
        "held_out_float32_accuracy": test_of(report, float32["name"])["accuracy"],
        "float32_bytes": float32["size_bytes"],
        "int8_bytes": int8["size_bytes"],
        "int8_gzip_bytes": int8["gzip_bytes"],
        "change_percent": round(100 * (int8["size_bytes"] / float32["size_bytes"] - 1), 2),
        "sparsity": int8["sparsity"],
        "training_s": round(report["training"]["student"]["seconds"], 1),
        "epochs": report["recipe"]["training"]["epochs"],
    }


def study(folder: Path, settings: list[str], quick: Case) -> None:
    """Build every arm, choose one on validation, label the 28,000 with it and record all of it."""
    tables = folder / "digit-recognizer"
    truth, official = write_tables(tables, quick)
    say(f"{tables}: train.csv, and test.csv with {len(truth):,} rows")
    common = ["--recipe", str(RECIPE), "--data", str(tables), *(SMALL if quick else []), *settings]
    rows: dict[str, dict[str, Any]] = {}
    raw: dict[str, Any] = {}

    def arm(name: str, kind: str, *options: str) -> None:
        built_run = build(folder / f"{name}-{kind}", folder / "cache", *common, *ARMS[name], *options, quick=quick)
        rows[f"{name}-{kind}"] = figures(built_run["report"])
        raw[f"{name}-{kind}"] = {
            key: built_run["report"][key] for key in ("recipe", "evaluations", "timings", "training")
        }
        say(f"{name}, {kind}: {rows[f'{name}-{kind}']}")

    names = quick.of(list(ARMS), ["adamw"], list(ARMS))
    for name in names:
        arm(name, "pruned")
    best = max(names, key=lambda name: rows[f"{name}-pruned"]["val_accuracy"])
    chosen = f"{best}-pruned"
    # Its training comes from the stage cache: only the export is new.
    arm(best, "unpruned", "--set", "pruning.sparsity=0")
    answers = submission(folder / chosen, tables / "test.csv", folder / "submission.csv")
    right = answers == truth.astype(str)
    row, whole = rows[chosen], rows[f"{best}-unpruned"]
    accuracy, gzip_share = float(right.mean()), row["int8_gzip_bytes"] / whole["int8_gzip_bytes"]
    detail = {
        "chosen_on_validation": chosen,
        "accuracy_of_test_csv": accuracy,
        "n": len(right),
        "interval_95": wilson(accuracy, len(right)),
        "accuracy_of_official_test_images": float(right[official].mean()),
        "official_test_images": int(official.sum()),
        "int8_bytes": row["int8_bytes"],
        "float32_bytes": row["float32_bytes"],
        "change_percent": row["change_percent"],
        "gzip_share_of_unpruned": round(gzip_share, 4),
        "arms": rows,
        "study": STUDY,
    }
    goal = f"accuracy >= {GOAL:.2%}, <= {MOST_BYTES:,} bytes, gzip <= {MOST_GZIP:.0%} of unpruned"
    met = None if quick else accuracy >= GOAL and row["int8_bytes"] <= MOST_BYTES and gzip_share <= MOST_GZIP
    raw["answers"] = answers.tolist()
    record("light_cnn_study", accuracy, "int8 accuracy on the rows of test.csv", goal, met, detail, raw, quick)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--write", type=Path, metavar="DIR", help="only write train.csv and test.csv into DIR")
    options.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the runs, the tables and the stage cache in DIR"
    )
    options.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for every arm's recipe")
    arguments = options.parse_args()
    if arguments.write:
        truth, _ = write_tables(arguments.write, arguments.quick)
        say(f"{arguments.write}: train.csv, and test.csv with {len(truth):,} rows")
        return
    settings = [part for setting in arguments.set for part in ("--set", setting)]
    with tempfile.TemporaryDirectory() as folder:
        study(arguments.keep or Path(folder), settings, arguments.quick)


if __name__ == "__main__":
    run(main)
