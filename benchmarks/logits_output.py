"""What do the 256 levels of an int8 softmax cost, and does `--logits-output` win it back? The default student, shipped data.

Two builds from one training (the second one's comes from the stage cache); their int8 files differ in where they end. Goal: with
logits at most the share of test confidences ties above which a report advises them. Whether that helps AURC, AUGRC, ECE and NLL
is told by the paired differences (logits - probabilities) with their bootstrap intervals on the test images.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from builds import build, test_of
from record import arguments, record, run, say

from edgekit.evidence.comparisons import compare
from edgekit.evidence.reliability import SMALL_SHARE
from edgekit.export import operators
from edgekit.inference.evaluate import load_predictions, predictions_of

INT8, FLOAT = "model_int8.tflite", "model_float32.tflite"
OUTPUTS = {"probabilities": [], "logits": ["--logits-output"]}
METRICS = ("accuracy", "aurc", "augrc", "ece", "nll")
_AFTER = tuple(f"{metric}_after_temperature" for metric in METRICS[1:])
# One epoch of the smallest network: its confidences are low, so that ties there do not stand for those of a trained one.
QUICK = ["--student", "conv8", "--set", "training.epochs=1"]


def file_row(run: Path, report: dict[str, Any], name: str) -> dict[str, Any]:
    """Size, operators, quality and ties of a file of a run."""
    test, reliability = test_of(report, name), report["reliability"][name]
    ties, content = reliability["figures"]["ties"], (run / "artifacts" / name).read_bytes()
    return {
        "bytes": len(content),
        "operators": operators.histogram(content),
        "distinct_confidences": ties["confidences"],
        "tied_share": ties["tied"] / test["n"],
        "ties": ties,
        **{metric: test[metric] for metric in METRICS},
        "temperature": reliability["temperature"],
        **{name: reliability["after"][metric] for name, metric in zip(_AFTER, METRICS[1:], strict=True)},
    }


def main() -> None:
    quick = arguments(__doc__).quick
    options = ["--curate", "none", "--set", "bench.targets=[]", "--set", "quantization.onnx=false"]
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        runs = {output: Path(folder, output) for output in OUTPUTS}
        for output, more in OUTPUTS.items():
            built = build(runs[output], Path(folder, "cache"), *options, *(QUICK if quick else []), *more, quick=quick)
            report = built["report"]
            rows[output] = {name: file_row(runs[output], report, name) for name in (INT8, FLOAT)}
            rows[output] |= {"reused": report["reused_stages"], "seconds": round(built["seconds"], 1)}
            row = rows[output][INT8]
            say(f"{output}: {row['distinct_confidences']:,} distinct confidences, {row['tied_share']:.1%} tied")
        one, two = (
            load_predictions(runs[output] / predictions_of(INT8, "test")) for output in ("logits", "probabilities")
        )
        compared = compare("quantization", "logits", one, "probabilities", two)
    share = rows["logits"][INT8]["tied_share"]
    shown = ("bytes", "operators", "distinct_confidences", "tied_share", *METRICS, "temperature", *_AFTER)
    detail = {
        "data": report["dataset"]["name"],
        "test_samples": test_of(report, INT8)["n"],
        "student": report["training"]["student"]["architecture"],
        "epochs": report["recipe"]["training"]["epochs"],
        "training_reused": "training" in rows["logits"]["reused"],
        **{output: {name: rows[output][INT8][name] for name in shown} for output in OUTPUTS},
        "difference_logits_less_probabilities": compared["differences"],
    }
    goal = f"<= {SMALL_SHARE:g} of the test images, where the file with the softmax has more"
    met = share <= SMALL_SHARE < rows["probabilities"][INT8]["tied_share"]
    raw = {"runs": rows, "comparison": compared}
    record("logits_output", share, "share of tied confidences", goal, None if quick else met, detail, raw, quick)


if __name__ == "__main__":
    run(main)
