"""The pruning stage as a build runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import backend
from edgekit.compression.prune import prune, sparsity
from edgekit.environment import versions
from edgekit.recipe import Recipe
from edgekit.store import code_digest
from edgekit.types import Reporter, Split


def key(recipe: Recipe, model_key: str) -> dict[str, Any]:
    """Everything that decides what pruning comes to, for the stage cache."""
    return {
        "model": model_key,
        "section": recipe.pruning.model_dump(mode="json"),
        "seed": recipe.seed,
        "batch_size": recipe.training.batch_size,
        "versions": versions("tensorflow", "tf-keras", "keras", "tensorflow-model-optimization", "numpy"),
        "code": code_digest("compression", "tf.py"),
    }


def run(
    recipe: Recipe,
    train: Split,
    weights: NDArray[np.float32] | None,
    model_path: Path,
    folder: Path,
    reporter: Reporter,
) -> None:
    """Prune the Keras 3 model at `model_path` on the curated training set; student_pruned.keras and pruning.json go to `folder`.

    Raises:
        ExportError, TrainingError: as `prune.prune` does.
    """
    keras = backend.load("tensorflow")
    backend.seed(keras, recipe.seed, deterministic=recipe.deterministic)
    model = keras.models.load_model(model_path, compile=False)
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
    (folder / "pruning.json").write_text(json.dumps({"sparsity": sparsity(model), "loss": losses}))
