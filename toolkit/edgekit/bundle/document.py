"""metadata.json of a bundle: that of the run, reduced to the one file in the bundle, and what the bundle adds."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from edgekit.bundle.embed import TfliteMetadata
from edgekit.bundle.golden import Golden
from edgekit.bundle.subject import Subject
from edgekit.data.pixels import RANGES
from edgekit.types import Output

_OUTPUTS: Mapping[Output, str] = {"probabilities": "softmax", "logits": "logits"}
_FITTING = (
    "stretched to the shape by an antialiased bilinear filter (Pillow's BILINEAR, in fixed point), along the rows first; with "
    "tall_first along the columns first where the height shrinks by more than twice what the width shrinks by; color becomes "
    "gray before that, by ITU-R 601: (19595 R + 38470 G + 7471 B + 32768) >> 16"
)


def metadata(subject: Subject, golden: Golden, content: bytes, license: str | None, **more: Any) -> Mapping[str, Any]:
    """The document; `edgekit predict` reads it next to the bundle's file like that of a run.

    Args:
        content: the file as it is in the bundle; its digest is recorded.
        license: license of the model; None = not stated.
        more: what this kind of bundle adds under "bundle".
    """
    artifact, of_run = subject.artifact, subject.metadata
    preprocessing = dict(of_run.get("preprocessing") or _undescribed(subject))
    preprocessing.setdefault("kind", "image")
    if preprocessing["kind"] == "image":
        preprocessing |= {"range": list(RANGES[subject.input_range]), "fitting": _FITTING, "tall_first": _tall_first()}
    entry = {
        "format": artifact.format,
        "precision": artifact.precision,
        "inputs": [dataclasses.asdict(spec) for spec in artifact.inputs],
        "outputs": [dataclasses.asdict(spec) for spec in artifact.outputs],
        **subject.entry,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
    }
    return {
        "schema": 1,
        "classes": list(subject.classifier.classes),
        "preprocessing": preprocessing,
        "output": of_run.get("output")
        or {"kind": _OUTPUTS[golden.output], "quantized_outputs": "real = (q - zero_point) * scale"},
        **{key: of_run[key] for key in ("calibrated", "operating") if key in of_run},
        "artifacts": {artifact.name: entry},
        "license": {"model": license, "code_of_the_bundle": "Apache-2.0"},
        "bundle": {
            "kind": subject.kind,
            "edgekit": version("edgekit"),
            "model": artifact.name,
            "made_of": {"name": subject.name, "sha256": artifact.sha256},
            "described_by_its_run": subject.classifier.described,
            "golden": {"count": len(golden), "part": golden.part, "data": golden.dataset.name},
            **more,
        },
    }


def tflite_metadata(subject: Subject, license: str | None) -> TfliteMetadata:
    """What is embedded in the file for the task libraries."""
    low, high = RANGES[subject.input_range]
    front_end, shape = subject.classifier.front_end, subject.artifact.inputs[0].shape
    return TfliteMetadata(
        name=subject.name,
        description=f"{len(subject.classifier.classes)} classes, {subject.artifact.precision}, by edgekit.",
        classes=subject.classifier.classes,
        license=license or "not stated",
        image=None if subject.is_waveform else (shape[1], shape[2], shape[3]),
        mean=-low * 255 / (high - low),
        std=255 / (high - low),
        sample_rate=0 if front_end is None else front_end.sample_rate,
    )


def _tall_first() -> bool:
    """Whether the Pillow that decodes the data resizes tall images along the columns first, as it does since version 13."""
    import PIL

    return int(PIL.__version__.split(".")[0]) >= 13


def _undescribed(subject: Subject) -> Mapping[str, Any]:
    low, high = RANGES[subject.input_range]
    return {
        "kind": "image",
        "contract": f"pixel / 255 * {high - low:g} + {low:g}"
        if (low, high) != (0, 1)
        else "pixel / 255, float in [0, 1]",
        "shape": list(subject.artifact.inputs[0].shape[1:]),
        "layout": "NHWC",
        "quantized_inputs": "q = clip(round(real / scale) + zero_point)",
    }
