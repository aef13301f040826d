"""Does this machine compute the same as the machine that made the bundle? Real inputs, compared bit for bit."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .errors import Refused
from .files import below
from .model import Classifier


def run(classifier: Classifier, strict: bool = False) -> tuple[bool, list[str]]:
    """(whether all checks passed, the results, one line each).

    strict: every output must be equal to the last bit, also on another kind of processor.
    """
    lines, good = [], True
    for ok, line in (*_digests(classifier.folder), *_vectors(classifier, strict)):
        good &= ok
        lines.append(("ok     " if ok else "WRONG  ") + line)
    return good, lines


def _digests(folder: Path) -> Iterator[tuple[bool, str]]:
    files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    wrong = [
        name
        for name, entry in files.items()
        if not (path := below(folder, name)).is_file()
        or hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]
    ]
    yield not wrong, f"{len(files)} files" + (f"; changed: {', '.join(wrong)}" if wrong else "")


def _vectors(classifier: Classifier, strict: bool) -> Iterator[tuple[bool, str]]:
    folder = classifier.folder / "golden"
    golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    inputs, expected = (_array(folder, golden[side]) for side in ("inputs", "outputs"))
    vectors, compared = golden["vectors"], golden["comparison"]
    sources = [(i, below(folder, each["source"])) for i, each in enumerate(vectors) if each["source"]]
    if sources and (classifier.metadata["preprocessing"]["kind"] == "image" or "waveform" in classifier.entry):
        same = sum(_same(classifier, path, inputs[i]) for i, path in sources)
        yield same == len(sources), f"{same} of {len(sources)} files become the recorded input, bit for bit"
    outputs = classifier.raw(inputs)
    exact = int((outputs == expected).all(axis=1).sum())
    real = outputs.astype(np.float64)
    steps = np.abs(real - expected.astype(np.float64))
    here = platform.machine() == compared["machine"]
    allowed = 0 if strict else compared["allowed" if here else "allowed_elsewhere"]
    yield (
        bool((steps <= allowed).all()),
        f"{exact} of {len(outputs)} outputs bit-identical, {int((steps > 0).sum())} of {steps.size} numbers differ, at most by "
        f"{steps.max():.3g} {compared['unit']} (allowed {allowed:.3g}; {classifier.runtime} on {platform.machine()}, made by "
        f"{compared['runtime']} on {compared['machine']})",
    )
    # If two classes have nearly equal outputs, an allowed step may swap them.
    right = sum(bool(row[each["expected"]] + 2 * allowed >= row.max()) for row, each in zip(real, vectors, strict=True))
    yield right == len(vectors), f"{right} of {len(vectors)} labels as expected"


def _array(folder: Path, entry: dict[str, Any]) -> Any:
    return np.fromfile(below(folder, entry["file"]), np.dtype(entry["dtype"]).newbyteorder("<")).reshape(entry["shape"])


def _same(classifier: Classifier, path: Path, expected: Any) -> bool:
    try:
        return bool(classifier.tensor(classifier.read(path))[0].tobytes() == expected.tobytes())
    except Refused:
        return False
