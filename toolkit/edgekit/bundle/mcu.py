"""The bundle for microcontrollers: the file as a C array, its requirements for TensorFlow Lite Micro, and a self-test in C."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bundle import document, layout, micro, running
from edgekit.bundle.golden import Golden
from edgekit.bundle.subject import Subject
from edgekit.data.pixels import scaled
from edgekit.inference import litert

_A_LINE = 16


def files(subject: Subject, golden: Golden, license: str | None) -> dict[str, bytes]:
    """The content of every file but the manifest.

    Raises:
        UsageError: TFLite Micro lacks an operator of the file.
    """
    content = subject.artifact.path.read_bytes()
    needs = micro.needs(subject.artifact.path)
    # The accuracy on the card is XNNPACK's, so the README reports how much a microcontroller's outputs differ from it.
    xnnpack = running.raw(subject.artifact.path, golden.inputs, copies=subject.copies)
    more = {
        "operators": list(needs.operators),
        "arena": {
            "at_least_bytes": needs.arena_bytes,
            "at": needs.arena_at,
            "basis": "tensors alive at one time, for one sample; without the interpreter's structures, scratch memory and gaps",
        },
        "expected_outputs_of": "LiteRT's reference kernels, which those of TFLite Micro are derived from",
        "xnnpack": _compared(xnnpack, golden),
    }
    given, result = subject.artifact.inputs[0], subject.artifact.outputs[0]
    entry = subject.entry
    values = {
        **layout.readme_values(subject, golden),
        "needs": needs,
        "xnnpack": more["xnnpack"],
        "bytes": len(content),
        "sha256": subject.artifact.sha256,
        "given": given,
        "result": result,
        "input_count": int(np.prod(given.shape[1:])),
        "input_shape": list(given.shape[1:]),
        "model_array": _array(np.frombuffer(content, np.uint8)),
        "digest_array": _array(np.frombuffer(bytes.fromhex(subject.artifact.sha256), np.uint8)),
        "pixel_table": _array(_pixel_table(subject)) if golden.pixels is not None else None,
        "golden_pixels": None if golden.pixels is None else [_array(each) for each in golden.pixels],
        "golden_inputs": [_array(each) for each in golden.inputs],
        "golden_outputs": [_array(each) for each in golden.outputs],
        "golden_labels": golden.labels,
        "threshold": (entry.get("operating") or {}).get("threshold"),
        "calibration": entry.get("calibration") or {},
        "logits": golden.output == "logits",
    }
    return {
        **layout.common(subject, content, document.metadata(subject, golden, content, license, **more)),
        **layout.golden_files(subject, golden),
        **layout.copied("mcu"),
        **layout.filled("mcu", **values),
    }


def _compared(xnnpack: NDArray[Any], golden: Golden) -> dict[str, int]:
    """How XNNPACK's outputs for the golden inputs differ from the expected ones."""
    steps = np.abs(xnnpack.astype(np.int64) - golden.outputs.astype(np.int64))
    return {
        "outputs_that_differ": int((steps > 0).any(axis=1).sum()),
        "most_steps": int(steps.max()),
        "other_labels": int((xnnpack.argmax(axis=1) != golden.outputs.argmax(axis=1)).sum()),
    }


def _pixel_table(subject: Subject) -> NDArray[np.int8]:
    """The input value for each of the 256 values of a pixel, so that the device needs no division."""
    pixels = np.arange(256, dtype=np.uint8)[:, None, None, None]
    x = np.asarray(scaled(pixels, subject.input_range))
    table: NDArray[np.int8] = litert.quantize(x, subject.artifact.inputs[0]).ravel()
    return table


def _array(values: NDArray[Any]) -> str:
    """The numbers of a C array, several per line."""
    numbers = [str(int(value)) for value in values.ravel()]
    return ",\n".join("    " + ", ".join(numbers[i : i + _A_LINE]) for i in range(0, len(numbers), _A_LINE))
