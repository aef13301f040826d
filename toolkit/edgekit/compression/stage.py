"""The stages of pruning and of quantization-aware training as a build runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import backend
from edgekit.compression.prune import layer_sparsity, prune, sparsity
from edgekit.compression.qat import kernel_sparsity, quantize_aware
from edgekit.environment import versions
from edgekit.recipe import Recipe
from edgekit.store import code_digest
from edgekit.types import Reporter, Split

_CODE = ("compression", "tf.py")
_LIBRARIES = ("tensorflow", "tf-keras", "keras", "tensorflow-model-optimization", "numpy")


def key(recipe: Recipe, model_key: str) -> dict[str, Any]:
    """Everything that decides what pruning comes to, for the stage cache."""
    return _common(recipe, model_key) | {"section": recipe.pruning.model_dump(mode="json")}


def run(
    recipe: Recipe,
    train: Split,
    weights: NDArray[np.float32] | None,
    model_path: Path,
    folder: Path,
    reporter: Reporter,
) -> None:
    """Prune the Keras 3 model at `model_path` on the curated training set; student_pruned.keras and pruning.json go to `folder`.

    pruning.json: sparsity, layers (the share of zeros of each kernel), loss per epoch.

    Raises:
        ExportError, RecipeError, TrainingError: as `prune.prune` does.
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
    model.save(folder / "student_pruned.keras")
    facts = {"sparsity": sparsity(model), "layers": layer_sparsity(model), "loss": losses}
    (folder / "pruning.json").write_text(json.dumps(facts))


def key_qat(recipe: Recipe, model_key: str) -> dict[str, Any]:
    """Everything that decides what quantization-aware training comes to, for the stage cache."""
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
    """Quantization-aware training of the Keras 3 model at `model_path`; student_qat.tfkeras.keras and qat.json go to `folder`.

    The zeros of a pruned model are kept. qat.json: sparsity (of the kernels as stored), preserved (whether zeros were kept),
    loss per epoch.

    Raises:
        ExportError, TrainingError: as `qat.quantize_aware` does.
    """
    model = _load(recipe, model_path)
    sparse = bool(recipe.pruning.sparsity)
    made = quantize_aware(
        model,
        train,
        recipe.quantization,
        weights=weights,
        batch_size=recipe.training.batch_size,
        seed=recipe.seed,
        reporter=reporter,
        sparse=sparse,
    )
    made.save(folder / "student_qat.tfkeras.keras")
    facts = {"sparsity": kernel_sparsity(made), "preserved": sparse, "loss": made.edgekit_losses}
    (folder / "qat.json").write_text(json.dumps(facts))


def _common(recipe: Recipe, model_key: str) -> dict[str, Any]:
    return {
        "model": model_key,
        "seed": recipe.seed,
        "batch_size": recipe.training.batch_size,
        "versions": versions(*_LIBRARIES),
        "code": code_digest(*_CODE),
    }


def _load(recipe: Recipe, path: Path) -> Any:
    keras = backend.load("tensorflow")
    backend.seed(keras, recipe.seed, deterministic=recipe.deterministic)
    return keras.models.load_model(path, compile=False)
