"""The merge of parameter-efficient fine-tuning as a build's stage, and the proof that it changed nothing at inference.

The merged network must give the logits of the network that was trained, on real samples, and its float32 .tflite must have the
operators of the plain student's. Adapters cannot be merged: how their file differs from the plain student's is told.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import registry, students
from edgekit.errors import GateNotMet
from edgekit.export import tflite
from edgekit.export.operators import histogram
from edgekit.frameworks import backend
from edgekit.recipe import Recipe
from edgekit.runs.code import code_digest
from edgekit.runs.environment import versions
from edgekit.training import tuning
from edgekit.types import Dataset, Reporter

TOLERANCE = 1e-4
_FACTS = "peft.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What the merge found. trainable, total: parameters. max_logit_difference: None where nothing was merged.

    document: all of it, for report.json.
    """

    trainable: int
    total: int
    max_logit_difference: float | None
    document: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Merged:
        """Of the folder that `run` filled."""
        facts = json.loads((folder / _FACTS).read_text())
        difference = facts.get("max_logit_difference")
        return cls(trainable=facts["trainable"], total=facts["total"], max_logit_difference=difference, document=facts)


def key(recipe: Recipe, dataset: Dataset, trained_key: str) -> dict[str, Any]:
    """Everything that decides what a merge comes to, for the stage cache. `trained_key` names the training stage."""
    return {
        "model": trained_key,
        "peft": recipe.peft.model_dump(mode="json"),
        "data": dataset.fingerprint,
        "versions": versions("tensorflow", "keras", "ai-edge-litert", "numpy"),
        "code": code_digest(__name__, registry.module("students", recipe.student.name)),
    }


def run(recipe: Recipe, dataset: Dataset, trained: Path, folder: Path, reporter: Reporter) -> None:
    """Merge what the training stage left in `trained`; the student, training.json and peft.json go to `folder`.

    peft.json: what tuning.json holds (method, parameters, places), and inference_parity, operators, plain_operators, and for
    merged methods max_logit_difference and samples.

    Raises:
        GateNotMet: the merged network gives other logits, or its file has other operators.
    """
    keras = backend.load("tensorflow")
    model = tuning.tuned(keras, trained, recipe.peft)
    path = folder / tuning.STUDENT
    model.save(path)
    facts = json.loads((trained / tuning.FACTS).read_text())
    if recipe.peft.merges:
        facts |= _same_logits(keras, path, trained, dataset)
    plain = _plain(keras, recipe, dataset, trained)
    facts |= _same_operators(model, plain, demanded=recipe.peft.merges)
    if not facts["inference_parity"]:
        more = ", ".join(f"{count:+d} {name}" for name, count in _more(facts).items())
        reporter.warn(
            f"{recipe.peft.method} layers cannot be merged: the file has other operators than the plain student ({more}), so its "
            "latency and size are not the plain student's"
        )
    shutil.copyfile(trained / "training.json", folder / "training.json")
    (folder / _FACTS).write_text(json.dumps(facts))


def _plain(keras: Any, recipe: Recipe, dataset: Dataset, trained: Path) -> Any:
    """The student without anything new. Its weights matter: the converter leaves out a product with 1."""
    if recipe.peft.merges:
        return keras.models.load_model(trained / tuning.BASE, compile=False)
    section, classes = recipe.student, len(dataset.classes)
    plain = students.build(
        "students", section.name, keras, dataset.input.shape, classes, section.width, section.backbone
    )
    kept = keras.models.load_model(trained / tuning.STUDENT, compile=False)
    for layer in plain.layers:
        layer.set_weights(kept.get_layer(layer.name).get_weights())
    return plain


def _same_logits(keras: Any, path: Path, trained: Path, dataset: Dataset) -> dict[str, Any]:
    expected = np.load(trained / tuning.LOGITS, allow_pickle=False)
    merged = tuning.logits(keras, keras.models.load_model(path, compile=False), dataset)
    difference = float(np.abs(merged - expected).max())
    if not difference <= TOLERANCE:
        raise GateNotMet(
            f"The merged network differs from the one that was trained by {difference:.3g} in a logit (allowed {TOLERANCE:g})."
        )
    return {"max_logit_difference": difference, "allowed_logit_difference": TOLERANCE, "samples": len(merged)}


def _same_operators(model: Any, plain: Any, *, demanded: bool) -> dict[str, Any]:
    operators, expected = (dict(histogram(tflite.convert(each, "float32"))) for each in (model, plain))
    facts = {"operators": operators, "plain_operators": expected, "inference_parity": operators == expected}
    if demanded and operators != expected:
        raise GateNotMet(
            f"The merged network's file has other operators than the plain student's: {operators}, expected {expected}."
        )
    return facts


def _more(facts: Mapping[str, Any]) -> dict[str, int]:
    """How many more of each operator the file has than the plain student's."""
    operators, plain = facts["operators"], facts["plain_operators"]
    differences = {name: operators.get(name, 0) - plain.get(name, 0) for name in sorted({*operators, *plain})}
    return {name: count for name, count in differences.items() if count}
