"""Spoken digits (FSDD): int8 files on the official test part, on speakers nobody has heard, and what is found among wrong labels.

Goals: an int8 file of at most 60 KB with 98.5 % or more on the official test part; int8 at most 0.5 points below float for ds_cnn
and 1.0 for ast_tiny; leave-one-speaker-out, 6 folds, a mean of 90 % or more for the best recipe, told with and without
augmentation; with 10 % symmetric noise, head-only validation influence and consensus with an AUROC of .95 or more; and the study
of the protocol (studies/fsdd/protocol.yaml) complete, whichever way its verdicts fall. Each part (official, speakers, noise,
protocol) is merged into results/fsdd.json and docs/fsdd.md with its own date: `--only` runs one. EDGEKIT_DATA must hold fsdd.
`--quick` trains one epoch of one network.

    EDGEKIT_DATA=DATA python benchmarks/fsdd.py --keep runs/fsdd
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml
from builds import build, test_of
from does_curation_help import study_document, summary
from fsdd_tables import write_tables
from record import ROOT, kept, parser, record, run, say
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, roc_auc_score

from edgekit import data, recipe
from edgekit.export.operators import float_operators

RECIPES = ROOT / "benchmarks" / "recipes"
PROTOCOL = ROOT / "benchmarks" / "studies" / "fsdd" / "protocol.yaml"
PARTS = ("official", "speakers", "noise", "protocol")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
STUDENTS = {"audio_cnn": "fsdd.yaml", "ds_cnn": "fsdd-ds-cnn.yaml", "ast_tiny": "fsdd-ast.yaml"}
MOST_DROP = {"ds_cnn": 0.5, "ast_tiny": 1.0}
QUICK = ["--set", "training.epochs=1"]
NOISE = ["--set", "data.noise={kind: symmetric, rate: 0.1}"]
BACKBONE = ["--recipe", str(RECIPES / "fsdd-backbone.yaml"), *NOISE]


def options() -> argparse.Namespace:
    arguments = parser(__doc__, "one epoch of one network")
    arguments.add_argument("--only", action="append", choices=PARTS, help="a part; may be repeated")
    arguments.add_argument(
        "--keep", type=Path, metavar="DIR", help="where the runs stay; finished ones are taken as they are"
    )
    return arguments.parse_args()


class Runs:
    """Builds in `root` with a cache of their own; a finished one is not made again."""

    def __init__(self, root: Path, quick: bool) -> None:
        self.root, self.quick = root, quick

    def report(self, name: str, *arguments: str) -> dict[str, Any]:
        folder = self.root / name
        if not (folder / "report.html").exists():
            say(f"{name} ...")
            build(folder, self.root / "cache", *arguments, "--force", quick=self.quick)
        found: dict[str, Any] = json.loads((folder / "report.json").read_text())
        return found


def figures(report: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What is told of a run: accuracy of the float and of the shipped file with its interval, bytes, latency, float operators."""
    shipped = report["run"]["shipped"]
    test, exact = test_of(report, shipped), test_of(report, "model_float32.tflite")
    right = binomtest(round(test["accuracy"] * test["n"]), test["n"]).proportion_ci(method="wilson")
    artifact = next(row for row in report["artifacts"] if row["name"] == shipped)
    latency = [
        {key: row[key] for key in ("threads", "p50_ms", "verdict", "invalid_reason")}
        for row in report["measurements"]
        if row["artifact"] == shipped and row["target"] == "host"
    ]
    return {
        "accuracy": test["accuracy"],
        "interval": [right.low, right.high],
        "n": test["n"],
        "float_accuracy": exact["accuracy"],
        "drop_points": 100 * (exact["accuracy"] - test["accuracy"]),
        **{key: test[key] for key in ("nll", "ece", "aurc", "augrc")},
        "size_bytes": artifact["size_bytes"],
        "latency": latency,
        "float_operators": float_operators((folder / "artifacts" / shipped).read_bytes()),
    }


def official(runs: Runs, quick: bool) -> dict[str, Any]:
    names = ["audio_cnn"] if quick else list(STUDENTS)
    rows = {}
    for name in names:
        report = runs.report(f"official-{name}", "--recipe", str(RECIPES / STUDENTS[name]), *(QUICK if quick else []))
        rows[name] = figures(report, runs.root / f"official-{name}")
    best = max(rows.values(), key=lambda row: row["accuracy"] if row["size_bytes"] <= 60 * 1024 else 0)
    met = best["accuracy"] >= 0.985 and all(
        rows[name]["drop_points"] <= most for name, most in MOST_DROP.items() if name in rows
    )
    return {"rows": rows, "met": None if quick else met}


def speakers(runs: Runs, quick: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for augment in ("auto", "none"):
        rows = {}
        for speaker in SPEAKERS[: 1 if quick else None]:
            report = runs.report(
                f"without-{speaker}-{augment}", "--recipe", str(RECIPES / "fsdd.yaml"), "--set", f"data.leave_out={speaker}",
                "--set", f"training.augment={augment}", *(QUICK if quick else []),
            )  # fmt: skip
            rows[speaker] = figures(report, runs.root / f"without-{speaker}-{augment}")
        values = [row["accuracy"] for row in rows.values()]
        found[augment] = {
            "speakers": rows,
            "mean": float(np.mean(values)),
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "least": min(values),
        }
    return found | {"met": None if quick else max(found[name]["mean"] for name in found) >= 0.9}


def noise(runs: Runs, quick: bool) -> dict[str, Any]:
    """AUROC of the curations' scores on labels made wrong on purpose; the backbone has learned the same wrong labels."""
    backbone = runs.report("noisy-none", *BACKBONE, "--set", "data.leave_out=null", *(QUICK if quick else []))
    path = runs.root / "noisy-none" / "models" / "student_float.keras"
    noisy_recipe = recipe.load(runs.root / "noisy-none" / "recipe.yaml")
    dataset = data.load_section(noisy_recipe.data, noisy_recipe.seed)
    assert dataset.flipped is not None
    rows = {}
    for name, arguments in {
        "influence": ("--curate", "influence"),
        "influence-function": ("--curate", "influence-function"),
        "consensus": ("--curate", "consensus", "--trusted-val"),
    }.items():
        runs.report(
            f"found-{name}", "--recipe", str(RECIPES / "fsdd.yaml"), *NOISE, *arguments, "--set", f"student.backbone={path}",
            "--set", "student.frozen=true", "--set", "training.epochs=1",
        )  # fmt: skip
        table = pq.read_table(runs.root / f"found-{name}" / "curation" / "scores.parquet").to_pydict()
        wrong = np.isin(table["id"], dataset.flipped)
        (column,) = [key for key in table if key == name]  # named after the method
        suspicion = -np.array(table[column])
        rows[name] = {
            "auroc": float(roc_auc_score(wrong, suspicion)),
            "ap": float(average_precision_score(wrong, suspicion)),
        }
    met = min(rows["influence"]["auroc"], rows["consensus"]["auroc"]) >= 0.95
    arms = {
        "backbone_accuracy": test_of(backbone, backbone["run"]["shipped"])["accuracy"],
        "wrong": len(dataset.flipped),
    }
    return {"rows": rows, **arms, "met": None if quick else met}


def protocol(runs: Runs, quick: bool) -> dict[str, Any]:
    """The committed study, on backbones that were trained on the same wrong labels without the speaker who is left out."""
    study = yaml.safe_load(PROTOCOL.read_text())
    left_out = SPEAKERS[: 1 if quick else None]
    backbones = {}
    for speaker in left_out:
        report = runs.report(
            f"noisy-{speaker}", *BACKBONE, "--set", f"data.leave_out={speaker}", *(QUICK if quick else [])
        )
        backbones[speaker] = test_of(report, report["run"]["shipped"])["accuracy"]
    study["base"]["student"]["backbone"] = str(runs.root / "noisy-{leave_out}" / "models" / "student_float.keras")
    if quick:
        study |= {"seeds": 1, "leave_out": list(left_out)}
        study["base"]["training"]["epochs"] = 1
    file, folder = runs.root / "protocol.yaml", runs.root / "protocol"
    file.write_text(yaml.safe_dump(study))
    document = study_document(file, folder, "2", quick)
    found = summary(document, folder)
    complete = not found["excluded"] and len(found["seeds"]) >= 10
    return {"backbones": backbones, "study": found, "met": None if quick else complete}


def main() -> None:
    arguments = options()
    made_now: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        runs = Runs((arguments.keep or Path(temporary)).resolve(), arguments.quick)
        for name in arguments.only or (PARTS[:1] if arguments.quick else PARTS):
            start = time.perf_counter()
            part = {"official": official, "speakers": speakers, "noise": noise, "protocol": protocol}[name](
                runs, arguments.quick
            )
            made_now[name] = part | {"measured": time.strftime("%Y-%m-%d"), "seconds": time.perf_counter() - start}
    # Read last, so that parts that ran at the same time do not lose each other.
    known = {} if arguments.quick else kept("fsdd").get("detail", {}).get("parts", {})
    known |= made_now
    met = None if arguments.quick else sum(bool(part["met"]) for part in known.values()) == len(PARTS)
    value = sum(bool(part["met"]) for part in known.values())
    if not arguments.quick:
        write_tables(known)
    record("fsdd", value, "of 4 parts met", "all of them", met, {"parts": known}, None, arguments.quick)


if __name__ == "__main__":
    run(main)
