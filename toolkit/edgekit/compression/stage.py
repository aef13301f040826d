"""The stages of pruning and of quantization-aware training as a build runs them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.compression.prune import layer_sparsity, prune, sparsity
from edgekit.compression.qat import kernel_sparsity, load_tf_keras, quantize_aware
from edgekit.frameworks import backend
from edgekit.recipe import Recipe
from edgekit.runs.code import code_digest
from edgekit.runs.environment import versions
from edgekit.types import Reporter, Split

_LIBRARIES = ("tensorflow", "tf-keras", "keras", "tensorflow-model-optimization", "numpy")


TWIN = ".tfkeras.keras"  # ends the name of a tf_keras model's file


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What a stage says of the network that it made. params, macs: None where they are those of before.

    document: all of it, for report.json.
    """

    sparsity: float
    params: int | None
    macs: int | None
    document: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Pruned:
        """Of the folder that a stage which prunes channels or weights filled."""
        facts = json.loads((folder / "pruning.json").read_text())
        params, macs = (facts[name]["after"] if name in facts else None for name in ("params", "macs"))
        return cls(sparsity=facts["sparsity"], params=params, macs=macs, document=facts)


def key(recipe: Recipe, model_key: str) -> dict[str, Any]:
    """Everything that determines the result of pruning, for the stage cache."""
    return _common(recipe, model_key) | {"section": recipe.pruning.model_dump(mode="json")}


def run(
    recipe: Recipe,
    train: Split,
    weights: NDArray[np.float32] | None,
    model_path: Path,
    folder: Path,
    reporter: Reporter,
) -> None:
    """Prune the model at `model_path` on the training set; student_pruned.keras and pruning.json go to `folder`.

    A model of tf_keras, whose file ends in .tfkeras.keras, leaves student_pruned.tfkeras.keras.

    pruning.json: sparsity, layers (the share of zeros of each kernel), loss per epoch.

    Raises:
        ExportError, RecipeError, TrainingError: like `prune.prune`.
    """
    model = _load(recipe, model_path)
    losses = prune(
        model,
        train,
        recipe.pruning,
        weights=weights,
        batch_size=recipe.training.batch_size,
        seed=recipe.seed,
        reporter=reporter,
    )
    model.save(folder / pruned_name(model_path))
    facts = {"sparsity": sparsity(model), "layers": layer_sparsity(model), "loss": losses}
    (folder / "pruning.json").write_text(json.dumps(facts))


def pruned_name(model_path: Path) -> str:
    """The name of the pruned file of the model at `model_path`."""
    return f"student_pruned{TWIN if model_path.name.endswith(TWIN) else '.keras'}"


def key_qat(recipe: Recipe, model_key: str) -> dict[str, Any]:
    """Everything that determines the result of quantization-aware training, for the stage cache."""
    read = ("qat_epochs", "qat_learning_rate", "per_channel", "ranges", "calibration_samples")
    section = recipe.quantization.model_dump(mode="json")
    return _common(recipe, model_key) | {
        "section": {name: section[name] for name in read},
        "sparse": bool(recipe.pruning.sparsity),
    }


def run_qat(
    recipe: Recipe,
    train: Split,
    weights: NDArray[np.float32] | None,
    model_path: Path,
    folder: Path,
    reporter: Reporter,
) -> None:
    """Quantization-aware training of the model at `model_path`; student_qat.tfkeras.keras and qat.json go to `folder`.

    The zeros of a pruned model are kept. qat.json: sparsity (of the kernels as stored), preserved (whether zeros were kept),
    loss per epoch.

    Raises:
        ExportError, TrainingError: like `qat.quantize_aware`.
    """
    model = _load(recipe, model_path)
    sparse = bool(recipe.pruning.sparsity)
    quantized = quantize_aware(
        model,
        train,
        recipe.quantization,
        weights=weights,
        batch_size=recipe.training.batch_size,
        seed=recipe.seed,
        reporter=reporter,
        sparse=sparse,
    )
    quantized.save(folder / "student_qat.tfkeras.keras")
    facts = {"sparsity": kernel_sparsity(quantized), "preserved": sparse, "loss": quantized.edgekit_losses}
    (folder / "qat.json").write_text(json.dumps(facts))


def _common(recipe: Recipe, model_key: str) -> dict[str, Any]:
    return {
        "model": model_key,
        "seed": recipe.seed,
        "batch_size": recipe.training.batch_size,
        "versions": versions(*_LIBRARIES),
        "code": code_digest(__name__),
    }


def _load(recipe: Recipe, path: Path) -> Any:
    keras = backend.load("tensorflow")
    backend.seed(keras, recipe.seed, deterministic=recipe.deterministic)
    return load_tf_keras(path) if path.name.endswith(TWIN) else keras.models.load_model(path, compile=False)
