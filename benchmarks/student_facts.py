"""What does each student cost? Writes toolkit/edgekit/students/facts.json, which `edgekit list students` shows.

MAC and parameters are counted, the int8 size is that of an untrained network's file, converted and shrunk as a build does it: it
does not depend on the weights. Run it (`make facts`) after a change to an architecture, the converter or the shrinking, and for a
new student. --check measures nothing: it names the students that the file lacks, and ends with 1 if there are any. `--quick`
takes one width and input of each student and writes nothing.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from record import Case, parser, run

from edgekit import registry, students
from edgekit.export import tflite
from edgekit.export.shrink import shrink
from edgekit.frameworks import backend
from edgekit.runs.environment import versions
from edgekit.students.facts import CLASSES, PATH, missing
from edgekit.training import flops

# (H, W, C) of the images that a student is described for, where its module has no INPUTS of its own.
INPUTS = ((28, 28, 1), (32, 32, 3))
_MORE = 100


def model_of(keras: Any, name: str, width: str, shape: tuple[int, int, int], classes: int) -> Any:
    backend.seed(keras, 0, deterministic=False)
    return students.build("students", name, keras, shape, classes, width)


def int8_bytes(model: Any, shape: tuple[int, int, int]) -> int:
    """Bytes of the int8 file of an untrained network."""
    samples = np.random.default_rng(0).random((4, *shape), dtype=np.float32)
    return len(shrink(tflite.convert(model, "int8", calibration=samples)))


def measured(keras: Any, name: str, width: str, shape: tuple[int, int, int]) -> dict[str, Any]:
    model = model_of(keras, name, width, shape, CLASSES)
    params, macs, size = int(model.count_params()), flops.macs(model), int8_bytes(model, shape)
    more = int8_bytes(model_of(keras, name, width, shape, CLASSES + _MORE), shape)
    wider = model_of(keras, name, width, (*shape[:2], shape[2] + 1), CLASSES)
    row = {
        "input": shape,
        "macs": macs,
        "params": params,
        "int8_bytes": size,
        "bytes_per_class": (more - size) / _MORE,
        "bytes_per_channel": int(wider.count_params()) - params,
    }
    print(name, width, row, file=sys.stderr, flush=True)
    return row


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__, "a width of each student, and no file")
    options.add_argument("--check", action="store_true", help="name the students that the file lacks; measure nothing")
    given = options.parse_args(arguments)
    if given.check:
        if lacking := missing():
            print(f"{PATH.name} lacks {', '.join(lacking)}: run `make facts`.", file=sys.stderr)
        return int(bool(lacking))
    write(given.quick)
    return 0


def write(quick: Case = Case.WHOLE) -> None:
    keras = backend.load()
    found: dict[str, dict[str, list[Any]]] = {}
    for name, entry in registry.STUDENTS.items():
        if entry.from_file:  # as large as that
            continue
        inputs = getattr(importlib.import_module(registry.module("students", name)), "INPUTS", INPUTS)
        rows = found[name] = {}
        for width in (entry.widths or ("",))[: 1 if quick else None]:
            rows[width] = [measured(keras, name, width, shape) for shape in inputs[: 1 if quick else None]]
        if quick is Case.TINY:
            break
    installed = versions("tensorflow", "keras", "ai-edge-litert")
    lines = json.dumps({"classes": CLASSES, "versions": installed, "students": found}, indent=1)
    if quick:
        print(lines)
    else:
        PATH.write_text(lines + "\n")


if __name__ == "__main__":
    sys.exit(run(main))
