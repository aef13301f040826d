"""Is evaluating 10,000 images on an int8 file faster than the plain one-image-at-a-time LiteRT loop?

Goal: at most 0.7 times its time, with the same outputs bit for bit. In turn, on the shipped images and the zoo's int8 file.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from record import ROOT, arguments, median, record, run, say

from edgekit import data
from edgekit.inference import litert

MODEL = ROOT / "models" / "fashion-mnist-microresnet-int8" / "model_int8.tflite"


def plain(path: Path, x: np.ndarray) -> np.ndarray:
    """What a user would write: quantize once, then one image at a time."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = given["quantization"]
    q = np.clip(np.round(x.astype(np.float32) / 255 / scale) + zero_point, -128, 127).astype(np.int8)
    outputs = []
    for i in range(len(q)):
        interpreter.set_tensor(given["index"], q[i : i + 1])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"]))
    return np.concatenate(outputs)


def main() -> None:
    quick = arguments(__doc__).quick
    dataset = data.load("fashion-mnist-mini")
    x = np.concatenate([part.x for part in (dataset.train, dataset.val, dataset.cal)])[: quick.of(10_000, 2000, 50)]
    raw: dict[str, list[float]] = {"edgekit": [], "plain": []}
    same = True
    for number in range(quick.of(11, 4, 2)):
        start = time.perf_counter()
        ours = litert.run(MODEL, x)
        middle = time.perf_counter()
        theirs = plain(MODEL, x)
        end = time.perf_counter()
        same &= bool(np.array_equal(ours, theirs))
        if number:  # the first warms up
            raw["edgekit"].append(middle - start)
            raw["plain"].append(end - middle)
            say(f"edgekit {middle - start:.3f} s, plain {end - middle:.3f} s")
    ratio = median([a / b for a, b in zip(raw["edgekit"], raw["plain"], strict=True)])
    detail = {"images": len(x), "bit_exact": same, "medians_s": {k: round(median(v), 4) for k, v in raw.items()}}
    met = same and ratio <= 0.7
    record("evaluate_throughput", ratio, "edgekit / plain loop", "<= 0.7, bit-exact", met, detail, raw, quick)


if __name__ == "__main__":
    run(main)
