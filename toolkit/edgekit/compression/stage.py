"""The pruning stage as a build runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit import backend
from edgekit.compression.prune import prune, sparsity
from edgekit.data.splits import take
from edgekit.recipe import Recipe
from edgekit.types import Dataset, Reporter


def run(
    recipe: Recipe, dataset: Dataset, kept: NDArray[np.str_], model_path: Path, folder: Path, reporter: Reporter
) -> None:
    """Prune the Keras 3 model at `model_path`; leaves student_pruned.keras and pruning.json in `folder`.

    Raises:
        ExportError, TrainingError: as `prune.prune` does.
    """
    keras = backend.load("tensorflow")
    backend.seed(keras, recipe.seed, deterministic=recipe.deterministic)
    model = keras.models.load_model(model_path, compile=False)
    losses = prune(
        model,
        take(dataset.train, np.flatnonzero(np.isin(dataset.train.ids, kept))),
        recipe.pruning,
        batch_size=recipe.training.batch_size,
        seed=recipe.seed,
        reporter=reporter,
    )
    model.save(folder / "student_pruned.keras")
    (folder / "pruning.json").write_text(json.dumps({"sparsity": sparsity(model), "loss": losses}))
