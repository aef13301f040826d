"""Is the default right for 60 samples and for 5,000? Against a grid of budgets on the same network, and against plain Keras.

Goals, in the int8 file's accuracy on test samples that nothing else saw: the default is within 1 point of the best of eight
budgets (steps x batch size), or within its own 95 % interval, and never below a plain Keras script of at least as many bytes at
equal CPU time (plain_keras.py). The sets: small_sets.py, three draws each.

    EDGEKIT_DATA=DATA python benchmarks/small_data.py --resume

DATA holds mnist, fashion-mnist, fsdd and cifar10-jpg.tar. Each row is written at once; `--resume` keeps those that are in the
result file, `--minutes M` ends after so long, `--draw D` makes one draw,
`--quick` one set. The table goes into docs/small-data.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from record import RESULTS, median, record, say
from small_data_tables import write_table
from small_sets import Spec, make

from edgekit import data, recipe
from edgekit.evidence.proportion import wilson
from edgekit.pipeline.build import build
from edgekit.types import Dataset, Silent

SETS = (
    Spec("drawings", 2, 60), Spec("fsdd", 6, 200), Spec("fashion-mnist", 10, 500, 10), Spec("fashion-mnist", 10, 1000),
    Spec("cifar10-jpeg", 10, 2000), Spec("mnist", 10, 5000), Spec("mnist", 6, 60, 10), Spec("fashion-mnist", 2, 200, 10),
    Spec("drawings", 60, 500), Spec("mnist", 10, 1000, 10), Spec("fashion-mnist", 6, 2000, 10),
    Spec("cifar10-jpeg", 10, 5000, 10),
)  # fmt: skip
QUICK = (Spec("drawings", 2, 60),)
DRAWS = 3
BUDGETS = ((100, 32), (200, 32), (400, 32), (800, 32), (1600, 32), (3200, 32), (100, 128), (400, 128))
DEFAULT, PLAIN = "default", "plain Keras"
NEEDED = (DEFAULT, PLAIN, *(f"{steps} x {batch}" for steps, batch in BUDGETS))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one set and two budgets")
    parser.add_argument("--resume", action="store_true", help="keep the rows of the result file")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no further row after so long")
    parser.add_argument("--draw", type=int, choices=range(DRAWS), help="only this draw, e.g. one on each core")
    return parser.parse_args()


def built(spec: Path, out: Path, *settings: str) -> dict[str, Any]:
    """A build as the command makes it, less what is not compared here: latencies and the int8 ONNX file."""
    audio = ("student.name=audio_cnn",) if spec.is_dir() else ()
    full_recipe = recipe.load(settings=(f"data.spec={spec}", "bench.targets=[]", "quantization.onnx=false", "accept_chance=true",
                                  *audio, *settings))  # fmt: skip
    began = time.process_time()
    build(full_recipe, out, until="train", reporter=Silent())
    cpu_s = time.process_time() - began
    report = build(full_recipe, out, resume=True, reporter=Silent())
    assert report is not None
    shipped = report.document["run"]["shipped"]
    test = next(e for e in report.document["evaluations"] if e["artifact"] == shipped and e["split"] == "test")
    size = next(a for a in report.document["artifacts"] if a["name"] == shipped)["size_bytes"]
    student = report.document["training"]["student"]
    return {"accuracy": test["accuracy"], "n_test": test["n"], "bytes": size, "steps": student["steps"],
            "cpu_s": cpu_s, "epochs": student["epochs"], "retried": student["retried"]["count"]}  # fmt: skip


def plain(dataset: Dataset, seconds: float, folder: Path) -> dict[str, Any]:
    """plain_keras.py on the same samples; it holds out its own validation samples from all that are no test samples."""
    from ai_edge_litert.interpreter import Interpreter

    parts = (dataset.train, dataset.val, dataset.cal)
    x, y = (np.concatenate([getattr(part, name)[:] for part in parts]) for name in ("x", "y"))
    np.savez(folder / "plain.npz", x_train=x, y_train=y)
    command = [sys.executable, str(Path(__file__).with_name("plain_keras.py")), str(folder / "plain.npz"), str(seconds)]
    subprocess.run([*command, str(folder / "plain.tflite")], check=True, capture_output=True)
    net = Interpreter(str(folder / "plain.tflite"))
    net.allocate_tensors()
    enter, leave = net.get_input_details()[0], net.get_output_details()[0]
    (scale, zero), right = enter["quantization"], 0
    test = dataset.test.x[:]
    for image, label in zip(test / 255 if test.dtype == np.uint8 else test, dataset.test.y, strict=True):
        net.set_tensor(enter["index"], np.clip(np.round(image[None] / scale) + zero, -128, 127).astype(np.int8))
        net.invoke()
        right += int(net.get_tensor(leave["index"])[0].argmax() == label)
    return {"accuracy": right / len(test), "n_test": len(test), "bytes": (folder / "plain.tflite").stat().st_size}


def rows_of(set_spec: Spec, draw: int, known: dict[str, Any], *, quick: bool) -> Any:
    """The rows of one set that are not known yet, one after another."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["XDG_CACHE_HOME"] = temporary
        spec = make(set_spec, draw, folder)
        if DEFAULT not in known:
            known[DEFAULT] = built(spec, folder / "default")
            yield DEFAULT, known[DEFAULT]
        dataset = data.load(str(spec))
        if PLAIN not in known:
            yield PLAIN, plain(dataset, known[DEFAULT]["cpu_s"], folder)
        for steps, batch in BUDGETS[:2] if quick else BUDGETS:
            name = f"{steps} x {batch}"
            if name not in known:
                epochs = max(1, round(steps / math.ceil(len(dataset.train) / batch)))
                yield name, built(spec, folder / name, f"training.epochs={epochs}", f"training.batch_size={batch}")


def judged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each complete set and draw: the default, the best of the grid, plain Keras, and what is met."""
    found = []
    for key in dict.fromkeys((row["set"], row["draw"]) for row in rows):
        own = {row["method"]: row for row in rows if (row["set"], row["draw"]) == key}
        grid = {name: row["accuracy"] for name, row in own.items() if name not in (DEFAULT, PLAIN)}
        if not set(NEEDED) <= set(own):
            continue
        default, best = own[DEFAULT], max(grid, key=lambda name: grid[name])
        high = wilson(default["accuracy"], default["n_test"])[1]
        found.append({"set": key[0], "draw": key[1], "default": default["accuracy"], "steps": default["steps"],
                      "cpu_s": default["cpu_s"],
                      "best": best, "best_accuracy": grid[best], "plain": own[PLAIN]["accuracy"],
                      "within": grid[best] - default["accuracy"] <= 0.01 or grid[best] <= high,
                      "not_below_plain": default["accuracy"] >= own[PLAIN]["accuracy"]})  # fmt: skip
    return found


def save(rows: list[dict[str, Any]], *, quick: bool) -> None:
    found = judged(rows)
    lost = [each["best_accuracy"] - each["default"] for each in found]
    complete = len(found) == len(SETS) * DRAWS
    met = all(each["within"] and each["not_below_plain"] for each in found) if complete and not quick else None
    detail = {"judged": found, "sets": len(SETS), "draws": DRAWS, "within": sum(each["within"] for each in found),
              "not_below_plain": sum(each["not_below_plain"] for each in found)}  # fmt: skip
    goal = "default within 1 point (or its interval) of the best of 8 budgets, never below plain Keras"
    record(
        "small_data",
        100 * median(lost) if lost else 0.0,
        "points below the best budget (median)",
        goal,
        met,
        detail,
        rows,
        quick,
    )
    if not quick:
        write_table(found)


def main() -> None:
    given = arguments()
    path = RESULTS / "small_data.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text())["raw"] if given.resume and path.exists() else []
    began = time.monotonic()
    for draw in [0] if given.quick else range(DRAWS) if given.draw is None else [given.draw]:
        for each in QUICK if given.quick else SETS:
            known = {row["method"]: row for row in rows if (row["set"], row["draw"]) == (each.name, draw)}
            if set(NEEDED) <= set(known):
                continue
            if time.monotonic() - began > 60 * given.minutes:
                return
            for method, row in rows_of(each, draw, dict(known), quick=given.quick):
                rows.append({"set": each.name, "draw": draw, "method": method, **row})
                say(f"{each.name}, draw {draw}, {method}: {row['accuracy']:.4f}")
                save(rows, quick=given.quick)


if __name__ == "__main__":
    main()
