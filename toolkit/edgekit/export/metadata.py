"""labels.txt and metadata.json: everything an app must know to run a file and interpret its output."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.data.audio.frontend import described
from edgekit.types import Artifact, Dataset, FrontEnd, Output

_QUANTIZED = "real = (q - zero_point) * scale"
# How an app interprets the outputs, by what the files end in.
_DESCRIPTIONS: Mapping[Output, Mapping[str, Any]] = {
    "probabilities": {
        "output": {"kind": "softmax", "quantized_outputs": _QUANTIZED},
        "calibrated": "softmax(log(max(output, floor)) / temperature): same answer, with a better calibrated probability",
        "operating": "accept an answer if its largest output (before any temperature) is at least the threshold; "
        "null: accept none",
    },
    "logits": {
        "output": {"kind": "logits", "quantized_outputs": _QUANTIZED, "probabilities": "softmax(output)"},
        "calibrated": "softmax(output / temperature): same answer, with a better calibrated probability",
        "operating": "accept an answer if its largest probability, softmax(output) before any temperature, is at least the "
        "threshold; null: accept none",
    },
}


def labels_txt(dataset: Dataset) -> str:
    """One class name per line, in the order of the outputs."""
    return "".join(f"{name}\n" for name in dataset.classes)


def metadata(
    dataset: Dataset,
    artifacts: Sequence[Artifact],
    reliability: Mapping[str, Mapping[str, Any]],
    waveform: Artifact | None = None,
    measured_on: str = "test",
) -> Mapping[str, Any]:
    """The content of metadata.json.

    Args:
        reliability: see `edgekit.evidence.reliability.rows`.
        waveform: one of the files with its front end inside; `facts` name the file it contains ("of"). measured_on: the split of
            the operating point's figures, "cv" where cross-validation replaces test.
    """
    return {
        "schema": 1,
        "classes": list(dataset.classes),
        "preprocessing": {
            "kind": "image" if dataset.input.front_end is None else "audio",
            "contract": dataset.input.preprocessing,
            "shape": list(dataset.input.shape),
            "layout": "NHWC",
            "range": [0.0, 1.0],
            "quantized_inputs": "q = clip(round(real / scale) + zero_point)",
            **_front_end(dataset.input.front_end),
        },
        **_DESCRIPTIONS[artifacts[0].output],  # all files of a run end in the same way
        "artifacts": {
            **{artifact.name: _entry(artifact, reliability[artifact.name], measured_on) for artifact in artifacts},
            **({waveform.name: _waveform(waveform, reliability, measured_on)} if waveform else {}),
        },
    }


def _front_end(front_end: FrontEnd | None) -> dict[str, Any]:
    if front_end is None:
        return {}
    if front_end.long == "crop":
        return described(front_end)
    rule = "a clip has the mean of its segments' probabilities, before any temperature or threshold"
    return described(front_end) | {"aggregation": rule}


def _entry(artifact: Artifact, reliability: Mapping[str, Any], measured_on: str) -> dict[str, Any]:
    return {
        "sha256": artifact.sha256,
        "format": artifact.format,
        "precision": artifact.precision,
        "inputs": [dataclasses.asdict(spec) for spec in artifact.inputs],
        "outputs": [dataclasses.asdict(spec) for spec in artifact.outputs],
        **_reliability(reliability, measured_on),
    }


def _waveform(artifact: Artifact, reliability: Mapping[str, Mapping[str, Any]], measured_on: str) -> dict[str, Any]:
    """The file outputs the same as `of`, so the temperature and the threshold of that file hold."""
    of, rate, samples = (artifact.facts[name] for name in ("of", "sample_rate", "clip_samples"))
    fed = {"sample_rate": rate, "samples": samples, "range": [-1.0, 1.0], "of": of}
    return _entry(artifact, reliability[of], measured_on) | {"waveform": fed}


def _reliability(row: Mapping[str, Any], measured_on: str) -> dict[str, Any]:
    """The parts that an app needs."""
    operating = {key: row["operating"][key] for key in ("wanted", "threshold", "coverage", "coverage_interval", "risk",
                                                        "risk_interval", "n")}  # fmt: skip
    return {
        "calibration": {
            "temperature": row["temperature"],
            "fitted": row["judged"] and not row["at_bound"],
            "floor": row["floor"],
            "n": row["n"],
            "split": row["split"],
        },
        "operating": {**operating, "judged": row["judged"], "chosen_on": row["split"], "measured_on": measured_on},
    }
