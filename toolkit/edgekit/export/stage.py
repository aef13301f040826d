"""The export stage as a build runs it: one precision into a folder, with the parity of what was made."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import backend
from edgekit.bench import litert, onnxrt
from edgekit.bench.standalone import artifact_of
from edgekit.data.pixels import to_float
from edgekit.environment import versions
from edgekit.export import onnx, parity, tflite
from edgekit.recipe import Recipe
from edgekit.store import code_digest
from edgekit.training.signals import probabilities
from edgekit.types import Artifact, Dataset, Selection, Split, TrainedModel

_PARITY_SAMPLES = 512


def key(recipe: Recipe, precision: str, model_key: str, selection: Selection) -> dict[str, Any]:
    """Everything that decides what an export comes to, for the stage cache. `model_key` names the stage that made the model."""
    common: dict[str, Any] = {
        "model": model_key,
        "precision": precision,
        "versions": versions("tensorflow", "keras", "tf2onnx", "ai-edge-litert", "onnx", "onnxruntime", "numpy"),
        "code": code_digest("export", "bench/litert.py", "bench/onnxrt.py", "tf.py"),
    }
    if precision != "int8":
        return common
    section = recipe.quantization.model_dump(mode="json")
    return common | {"section": section, "seed": recipe.seed, "selection": selection.sha256}


def run(recipe: Recipe, precision: str, dataset: Dataset, kept: Split, model_path: Path, folder: Path) -> None:
    """Convert the model at `model_path` (Keras 3) to `precision`; float32 also to ONNX. Leaves the files and export.json.

    Raises:
        ExportError: a conversion failed.
        GateNotMet: a file does not compute what the model does.
    """
    keras = backend.load("tensorflow")
    model = keras.models.load_model(model_path, compile=False)
    path = folder / f"model_{precision}.tflite"
    facts: dict[str, Any] = {"files": [path.name], "parity": {}}
    samples = None
    if precision == "int8":
        index = tflite.calibration_index(kept.y, recipe.quantization.calibration_samples, recipe.seed)
        samples = to_float(kept.x[index])
        facts["calibration"] = {
            "samples": len(index),
            "ids_sha256": hashlib.sha256("\n".join(kept.ids[index].tolist()).encode()).hexdigest(),
            "per_class": np.bincount(kept.y[index], minlength=len(dataset.classes)).tolist(),
        }
    path.write_bytes(tflite.convert(model, precision, io=recipe.quantization.io, calibration=samples))
    x = parity_samples(dataset)
    facts["parity"][path.name] = {"batch": parity.batch_parity(path, x)}
    if precision == "float32":
        other = folder / "model_float32.onnx"
        onnx.convert(path, other)
        facts["files"].append(other.name)
        facts["parity"][path.name] |= {"keras": parity.float_parity(probabilities(model, x), path, other, x)}
    (folder / "export.json").write_text(json.dumps(facts))


def parity_samples(dataset: Dataset) -> NDArray[Any]:
    """512 real images that are not test: val, cal, then train."""
    return np.concatenate([split.x[:_PARITY_SAMPLES] for split in (dataset.val, dataset.cal, dataset.train)])[
        :_PARITY_SAMPLES
    ]


def artifact(path: Path, precision: str, model: TrainedModel, facts: Mapping[str, Any]) -> Artifact:
    """Describe a file that was made from `model`; sparsity and tensors are read from the file."""
    runtime = onnxrt if path.suffix == ".onnx" else litert
    return dataclasses.replace(
        artifact_of(path),
        precision=precision,
        params=model.params,
        macs=model.macs,
        sparsity=runtime.sparsity(path),
        facts={"calibration": dict(facts)} if facts else {},
    )


def shipped(artifacts: Sequence[Artifact]) -> Artifact:
    """The file a build is for: the last .tflite, quantized if that was asked for."""
    return [each for each in artifacts if each.format == "tflite"][-1]
