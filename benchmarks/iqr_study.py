"""The IQR study repeated: what share does the filter remove, and what do the two students reach?

Runs recipes/iqr-study.yaml with its control arm (as many samples removed at random) and puts the figures beside the study's own
(11,816 of 60,000 removed, 19.7 %; 86.79 % against 85.40 %) and an independent run's (11,608, 19.3 %). No goal: one RNG seed is
no evidence for or against a method, only a repetition. `--quick` trains one epoch each on 2,000 of the images that ship with
edgekit, and lets the filter take whole classes, so that no networks of folds have to judge them.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from builds import build, test_of
from record import ROOT, arguments, record, run, say

STUDY = {"removed": 11_816, "share": 0.197, "iqr_accuracy": 0.8679, "random_accuracy": 0.8540}
INDEPENDENT = {"removed": 11_608, "share": 0.193}
LEVEL = 0.85
QUICK = [
    "--data", "fashion-mnist-mini", "--set", "data.limit=2000", "--set", "curation.max_class_edit=1", "--set", "teacher.epochs=1",
    "--set", "training.epochs=1", "--set", "bench.targets=[]", "--set", "quantization.onnx=false", "--set", "accept_chance=true",
]  # fmt: skip


def curves(report: dict[str, Any]) -> dict[str, Any]:
    """Validation curve, first epoch at 85 %, and the area under the curve (mean accuracy over the epochs)."""
    values = report["training"]["student"]["history"]["val_accuracy"]
    reached = next((number for number, value in enumerate(values, 1) if value >= LEVEL), None)
    return {
        "val_accuracy": [round(v, 4) for v in values],
        "epochs_to_85": reached,
        "area_under_curve": float(np.mean(values)),
    }


def main() -> None:
    quick = arguments(__doc__).quick
    with tempfile.TemporaryDirectory() as folder:
        options = ["--recipe", str(ROOT / "benchmarks/recipes/iqr-study.yaml"), *(QUICK if quick else [])]
        built = build(Path(folder, "run"), Path(folder, "cache"), *options, quick=quick)
        control = json.loads(Path(folder, "run/control/report.json").read_text())
    report, name = built.pop("report"), "model_float32.tflite"
    curation = report["curation"]
    detail = {
        "removed": curation["n_dropped"],
        "of": curation["n_before"],
        "removed_low": curation["removed_low"],
        "removed_high": curation["removed_high"],
        "per_class": {k: v["dropped"] for k, v in curation["per_class"].items()},
        "estimated_noise": curation["estimated_noise"],
        "steps": [r["training"]["student"]["steps"] for r in (report, control)],
        "iqr": test_of(report, name) | curves(report),
        "random": test_of(control, name) | curves(control),
        "int8_accuracy": {
            arm: test_of(r, "model_int8.tflite")["accuracy"] for arm, r in (("iqr", report), ("random", control))
        },
        "comparisons": report["comparisons"],
        "verdict": report["verdict"]["verdict"],
        "study": STUDY,
        "independent_run": INDEPENDENT,
    }
    say(json.dumps(detail, indent=1))
    share = curation["n_dropped"] / curation["n_before"]
    raw = {"timings": report["timings"], "curation": curation, **built}
    record(
        "iqr_study", share, "share removed", "none: a repetition, reported beside the study", None, detail, raw, quick
    )


if __name__ == "__main__":
    run(main)
