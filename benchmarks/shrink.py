"""How many bytes does the lossless shrink take off a .tflite, and are the outputs the same bit for bit?

Goal: 9 % or more off the default student's int8 file as the converter writes it (untrained: only the values of weights differ),
and all outputs of all files equal. Files: that one, models/*/*.tflite (which may be shrunk already) and the nine of MLPerf Tiny,
if they are there (EDGEKIT_MLPERF, or ../shared/peers/mlperf-tiny). Inputs: the shipped images where a file takes them, else
random ones over the whole range of the input's type.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from record import ROOT, arguments, record, run, say

from edgekit import data, students
from edgekit.data.pixels import to_float
from edgekit.export import tflite
from edgekit.export.shrink import shrunk
from edgekit.frameworks import backend
from edgekit.inference.litert import quantize
from edgekit.types import TensorSpec

MLPERF = Path(os.environ.get("EDGEKIT_MLPERF", ROOT.parent / "shared" / "peers" / "mlperf-tiny"))
INPUTS, QUICK_INPUTS, TINY_INPUTS = 1000, 100, 2


def opened(content: bytes) -> Any:
    """An interpreter with LiteRT's default settings and one thread."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def outputs(content: bytes, x: np.ndarray) -> np.ndarray:
    """(N, ...) raw outputs, one input at a time."""
    interpreter = opened(content)
    given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    found = []
    for row in x:
        interpreter.set_tensor(given["index"], row[None])
        interpreter.invoke()
        found.append(interpreter.get_tensor(result["index"]))
    return np.concatenate(found)


def inputs(content: bytes, count: int, images: np.ndarray) -> tuple[np.ndarray, str]:
    """`count` inputs of the type that a file takes, and what they are."""
    given = opened(content).get_input_details()[0]
    shape, kind = tuple(given["shape"][1:]), np.dtype(given["dtype"])
    if shape == images.shape[1:]:
        scale, zero_point = given["quantization"]
        spec = TensorSpec(name="", dtype=kind.name, shape=shape, scale=float(scale), zero_point=int(zero_point))
        return quantize(images[:count], spec), "shipped images"
    rng = np.random.default_rng(0)
    if kind.kind == "f":
        return rng.random((count, *shape), dtype=np.float32), "random in [0, 1]"
    limits = np.iinfo(kind)
    return rng.integers(limits.min, limits.max + 1, (count, *shape)).astype(kind), f"random {kind.name}"


def default_student(images: np.ndarray) -> bytes:
    """The default student as int8, before any shrink."""
    keras = backend.load("tensorflow")
    backend.seed(keras, 0, deterministic=False)
    model = students.build("students", "microresnet", keras, (28, 28, 1), 10)
    return tflite.convert(model, "int8", calibration=to_float(images[:100]))


def main() -> None:
    quick = arguments(__doc__).quick
    count = quick.of(INPUTS, QUICK_INPUTS, TINY_INPUTS)
    dataset = data.load("fashion-mnist-mini")
    images = np.concatenate([dataset.val.x, dataset.cal.x])[:count]
    files = {"default student": default_student(images)}
    for path in [*sorted((ROOT / "models").glob("*/*.tflite")), *sorted(MLPERF.glob("*.tflite"))]:
        files[f"{path.parent.name}/{path.name}"] = path.read_bytes()
    rows = []
    for name, content in files.items():
        start = time.perf_counter()
        small = shrunk(content)
        seconds = time.perf_counter() - start
        x, what = inputs(content, count, images)
        before, after = outputs(content, x), outputs(small.content, x)
        row = {
            "file": name,
            "bytes_before": small.bytes_before,
            "bytes_after": small.bytes_after,
            "saved_percent": round(100 * small.saved, 2),
            "inputs": len(x),
            "what": what,
            "bit_exact": bool(np.array_equal(before.view(np.uint8), after.view(np.uint8))),
            "distinct_outputs": len(np.unique(before, axis=0)),
            "seconds": round(seconds, 3),
        }
        rows.append(row)
        say(f"{row['file']}: {row['bytes_before']:,} -> {row['bytes_after']:,} bytes, bit-exact {row['bit_exact']}")
    value = rows[0]["saved_percent"]
    exact = all(row["bit_exact"] for row in rows)
    detail = {
        "files": len(rows),
        "all_bit_exact": exact,
        "inputs_each": count,
        "mlperf_found": any(name.startswith(MLPERF.name) for name in files),
        "saved_percent": {row["file"]: row["saved_percent"] for row in rows},
    }
    goal = ">= 9, all files bit-exact"
    record("shrink", value, "% of the default student's int8 file", goal, exact and value >= 9, detail, rows, quick)


if __name__ == "__main__":
    run(main)
