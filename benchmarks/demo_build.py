"""Does `edgekit build --curate iqr --quantize int8` on the shipped data keep its promises?

Goal: at most 180 s and 3 GB on 2 cores, int8 accuracy of at least 87.5 % in at most 40 KB, within 0.5 points of float.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from builds import QUICK, build, test_of
from record import arguments, record, run, say


def main() -> None:
    quick = arguments(__doc__).quick
    with tempfile.TemporaryDirectory() as folder:
        options = ["--curate", "iqr", "--quantize", "int8", *(QUICK if quick else [])]
        built = build(Path(folder, "run"), Path(folder, "cache"), *options, quick=quick)
    report = built.pop("report")
    size = next(a["size_bytes"] for a in report["artifacts"] if a["name"] == "model_int8.tflite")
    int8, exact = (test_of(report, f"model_{p}.tflite")["accuracy"] for p in ("int8", "float32"))
    detail = {
        "peak_rss_gb": round(built["peak_rss_bytes"] / 1024**3, 3),
        "int8_accuracy": int8,
        "float32_accuracy": exact,
        "int8_bytes": size,
        "removed": report["curation"]["n_dropped"],
        "timings_s": report["timings"],
    }
    say(str(detail))
    within = built["seconds"] <= 180 and built["peak_rss_bytes"] <= 3 * 1024**3 and size <= 40 * 1024
    met = None if quick else within and int8 >= 0.875 and round(abs(int8 - exact), 9) <= 0.005
    goal = "<= 180 s, <= 3 GB, int8 >= 0.875 at <= 40,960 B, |int8 - float| <= 0.005"
    record("demo_build", built["seconds"], "s", goal, met, detail, built, quick)


if __name__ == "__main__":
    run(main)
