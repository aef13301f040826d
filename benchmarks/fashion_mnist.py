"""How good is the int8 file of width fast (the quickest to train) on the whole of Fashion-MNIST, and how long does it train?

Goal: at least 91.5 % on the 10,000 test images in at most 40 KB, trained in at most 25 minutes on 2 cores. `--quick` trains
two epochs. Needs the data set ($EDGEKIT_DATA, the cache, or the network). `--keep DIR` keeps the run folder.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from builds import build, test_of
from record import ROOT, Case, parser, record, run, say


def main() -> None:
    arguments = parser(__doc__, "two epochs")
    arguments.add_argument("--keep", type=Path, metavar="DIR", help="where the run stays")
    given = arguments.parse_args()
    quick, options = given.quick, ["--recipe", str(ROOT / "benchmarks/recipes/fashion-mnist.yaml")]
    options += ["--set", "training.epochs=2"] if quick else []
    options += ["--data", "fashion-mnist-mini"] if quick is Case.TINY else []
    with tempfile.TemporaryDirectory() as folder:
        built = build(given.keep or Path(folder, "run"), Path(folder, "cache"), *options, quick=quick)
    report = built.pop("report")
    size = next(a["size_bytes"] for a in report["artifacts"] if a["name"] == "model_int8.tflite")
    int8, exact = (test_of(report, f"model_{p}.tflite")["accuracy"] for p in ("int8", "float32"))
    training = report["training"]["student"]
    detail = {
        "int8_accuracy": int8,
        "float32_accuracy": exact,
        "int8_bytes": size,
        "training_s": round(training["seconds"], 1),
        "params": training["params"],
        "macs": training["macs"],
        "source": report["dataset"]["source"],
    }
    say(str(detail))
    met = None if quick else int8 >= 0.915 and size <= 40 * 1024 and training["seconds"] <= 25 * 60
    raw = {"evaluations": report["evaluations"], "history": training["history"], "timings": report["timings"], **built}
    record("fashion_mnist", int8, "int8 test accuracy", ">= 0.915, <= 40,960 B, <= 1,500 s", met, detail, raw, quick)


if __name__ == "__main__":
    run(main)
