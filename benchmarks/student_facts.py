"""What does each student cost? Writes toolkit/edgekit/students/facts.json, which `edgekit list students` shows.

MAC and parameters are counted, the int8 size is that of an untrained network's file, converted and shrunk as a build does it: it
does not depend on the weights. Run it after a change to an architecture, the converter or the shrinking.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from edgekit import backend, registry, students
from edgekit.environment import versions
from edgekit.export import tflite
from edgekit.export.shrink import shrink
from edgekit.students.facts import CLASSES, PATH
from edgekit.training import flops

GRAY, COLOR, LARGE = (28, 28, 1), (32, 32, 3), (96, 96, 3)
# A second of sound: 98 frames of 25 ms, one each 10 ms, 40 bands.
SECOND = (98, 40, 1)
# Where a student was made for something else than images of 28 and 32 pixels.
INPUTS = {
    "microresnet": (GRAY, COLOR, LARGE),
    "resnet8": (COLOR,),
    "ds_cnn": ((49, 10, 1), GRAY, COLOR),
    "mobilenetv2": (LARGE,),
    "audio_cnn": (SECOND, GRAY),
    "ast_tiny": (SECOND, GRAY),
    "passt_tiny": (SECOND, GRAY),
}
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


def main() -> None:
    keras = backend.load()
    found: dict[str, dict[str, list[Any]]] = {}
    for name, entry in registry.STUDENTS.items():
        if entry.from_file:  # as large as that
            continue
        rows = found[name] = {}
        for width in entry.widths or ("",):
            rows[width] = [measured(keras, name, width, shape) for shape in INPUTS.get(name, (GRAY, COLOR))]
    made = versions("tensorflow", "keras", "ai-edge-litert")
    lines = json.dumps({"classes": CLASSES, "versions": made, "students": found}, indent=1)
    PATH.write_text(lines + "\n")


if __name__ == "__main__":
    main()
