"""labels.txt and metadata.json: all an app must know to feed a file and read its answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.data.audio.frontend import described
from edgekit.types import Artifact, Dataset, FrontEnd, Output

_QUANTIZED = "real = (q - zero_point) * scale"
# How an app reads the outputs, by what the files end in.
_TOLD: Mapping[Output, Mapping[str, Any]] = {
    "probabilities": {
        "output": {"kind": "softmax", "quantized_outputs": _QUANTIZED},
        "calibrated": "softmax(log(max(output, floor)) / temperature): same answer, with a probability nearer to the truth",
        "operating": "take an answer if its largest output (before any temperature) is at least the threshold; null: take none",
    },
    "logits": {
        "output": {"kind": "logits", "quantized_outputs": _QUANTIZED, "probabilities": "softmax(output)"},
        "calibrated": "softmax(output / temperature): same answer, with a probability nearer to the truth",
        "operating": "take an answer if its largest probability, softmax(output) before any temperature, is at least the "
        "threshold; null: take none",
    },
}


def labels_txt(dataset: Dataset) -> str:
    """One class name a line, in the order of the outputs."""
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
        waveform: one of the files behind its front end; `facts` say of which ("of"). measured_on: the split of the operating
            point's figures, "cv" where cross-validation stands for test.
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
        **_TOLD[artifacts[0].output],  # all files of a run end alike
        "artifacts": {
            **{artifact.name: _entry(artifact, reliability[artifact.name], measured_on) for artifact in artifacts},
            **({waveform.name: _waveform(waveform, reliability, measured_on)} if waveform else {}),
        },
    }


def _front_end(made: FrontEnd | None) -> dict[str, Any]:
    if made is None:
        return {}
    if made.long == "crop":
        return described(made)
    told = "a clip has the mean of its segments' probabilities, before any temperature or threshold"
    return described(made) | {"aggregation": told}


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
    """The file gives what `of` gives, so the temperature and the threshold of that one hold."""
    of, rate, samples = (artifact.facts[name] for name in ("of", "sample_rate", "clip_samples"))
    fed = {"sample_rate": rate, "samples": samples, "range": [-1.0, 1.0], "of": of}
    return _entry(artifact, reliability[of], measured_on) | {"waveform": fed}


def _reliability(row: Mapping[str, Any], measured_on: str) -> dict[str, Any]:
    """What an app needs of it."""
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
