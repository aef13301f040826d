"""The bundle for Android: a library module for Gradle with the file, a Kotlin class, and an instrumented self-test."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bundle import document, layout, running, task
from edgekit.bundle.embed import embedded
from edgekit.bundle.golden import Golden
from edgekit.bundle.subject import Subject
from edgekit.errors import GateNotMet

_ASSETS = "src/main/assets/edgekit/"
_TEST_ASSETS = "src/androidTest/assets/edgekit/golden/"


def files(subject: Subject, golden: Golden, license: str | None) -> dict[str, bytes]:
    """The content of every file but the manifest.

    Raises:
        ExportError: the metadata cannot be embedded. GateNotMet: the file with its metadata has different outputs.
    """
    metadata = document.tflite_metadata(subject, license)
    plain = subject.artifact.path.read_bytes()
    content = embedded(plain, metadata)
    _check(content, golden, golden.inputs, 0, subject.copies)
    refusal = task.refusal(subject) if not subject.is_waveform else "it takes a waveform"
    quantized = subject.artifact.inputs[0].scale != 0
    task_files: dict[str, bytes] = {}
    if quantized and refusal is None and golden.pixels is not None:
        form = embedded(task.uint8_form(plain), metadata)
        _check(form, golden, golden.pixels, task.SHIFT, subject.copies)
        task_files[f"{_ASSETS}{subject.artifact.path.stem}{task.SUFFIX}.tflite"] = form
    # Float files work in the task libraries as they are, if they take images of three channels.
    runs = bool(task_files) or (not quantized and (subject.is_waveform or subject.artifact.inputs[0].shape[-1] == 3))
    more = {
        "metadata_embedded": True,
        "task_library": {"runs": runs, "file": next((Path(n).name for n in task_files), None)},
    }
    values = layout.readme_values(subject, golden)
    return {
        **layout.common(subject, content, document.metadata(subject, golden, content, license, **more), _ASSETS),
        **task_files,
        **layout.golden_files(subject, golden, _TEST_ASSETS),
        **layout.copied("android"),
        **layout.filled("android", **values, task_file=more["task_library"], refusal=refusal, quantized=quantized),
    }


def _check(content: bytes, golden: Golden, inputs: NDArray[Any], shift: int, copies: int) -> None:
    """Raise GateNotMet unless the file has the golden outputs, raised by `shift`, bit for bit."""
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "model.tflite"
        path.write_bytes(content)
        outputs = running.raw(path, inputs, copies=copies)
    if not np.array_equal(outputs.astype(np.float64), golden.outputs.astype(np.float64) + shift):
        raise GateNotMet(
            "The .tflite with metadata does not have the same outputs as the file without it; please report it."
        )
