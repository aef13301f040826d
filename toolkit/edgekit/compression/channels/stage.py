"""The channel pruning stage as a build runs it: remove channels, then fine-tune the remaining network.

Fine-tuning uses the labels and the unpruned network, which contains more information than the labels and is available anyway
(knowledge distillation, Hinton et al. 2015, arXiv 1503.02531).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.compression.channels import remove as channels
from edgekit.frameworks import backend
from edgekit.recipe import Recipe, TrainingSection
from edgekit.runs.code import code_digest
from edgekit.runs.environment import versions
from edgekit.training import distill, flops
from edgekit.training.augment import augmentation_of
from edgekit.training.batches import Samples, SoftLabels
from edgekit.training.fit import fit
from edgekit.types import InputSpec, Reporter, Split

_WARMUP = 0.1
_ALPHA, _TEMPERATURE = 0.5, 4.0


def key(recipe: Recipe, model_key: str, spec: InputSpec) -> dict[str, Any]:
    """Everything that determines the result of channel pruning, for the stage cache."""
    return {
        "model": model_key,
        "section": recipe.pruning.model_dump(mode="json", include={"channels", "residual", "epochs", "learning_rate"}),
        "training": recipe.training.model_dump(mode="json"),
        "seed": recipe.seed,
        "mirrored": spec.mirrored,
        "front_end": None if spec.front_end is None else spec.front_end.digest,
        "deterministic": recipe.deterministic,
        "versions": versions("tensorflow", "keras", "numpy"),
        "code": code_digest(__name__),
    }


def section(recipe: Recipe) -> TrainingSection:
    """How the smaller network is fine-tuned: as the student was trained, for `pruning.epochs` at `pruning.learning_rate`."""
    changed = recipe.training.model_dump() | {
        "epochs": recipe.pruning.epochs or "auto",
        "learning_rate": recipe.pruning.learning_rate,
        "warmup": _WARMUP,
        "schedule": "cosine",
        "swa": 0.0,
        "swa_learning_rate": None,
        "mixup": 0.0,
        "checkpoint": 0,
        "retries": 0,
        "match": "epochs",
    }
    return TrainingSection.model_validate(changed)


def run(
    recipe: Recipe,
    train: Split,
    val: Split,
    weights: NDArray[np.float32] | None,
    model_path: Path,
    folder: Path,
    reporter: Reporter,
    *,
    spec: InputSpec,
) -> None:
    """Remove `pruning.channels` of the channels of the model at `model_path` and fine-tune it on the curated training set.

    Writes student_pruned.keras and pruning.json (channels kept of each layer, params and MAC before and after, history) to
    `folder`.

    Args:
        weights: (n,) weight of each training sample's loss, mean 1; None = all equal.
        spec: describes the samples, for augmentation.

    Raises:
        ExportError: the model is not functional. TrainingError: fine-tuning diverged.
    """
    keras = backend.load("tensorflow")
    backend.seed(keras, recipe.seed, deterministic=recipe.deterministic)
    model = keras.models.load_model(model_path, compile=False)
    kept = channels.keep(model, recipe.pruning.channels, residual=recipe.pruning.residual, data=train, seed=recipe.seed)
    smaller = channels.without(keras, model, kept)
    tuning = section(recipe)
    augmentation = augmentation_of(tuning, spec)
    reporter.note(_summary(model, smaller))
    logits = distill.teacher_logits(
        keras, model, train, augmentation, views=tuning.epochs, seed=recipe.seed, reporter=reporter
    )
    soft_labels = SoftLabels(
        logits=logits,
        rows=np.arange(len(train)),
        view_seed=recipe.seed,
        alpha=_ALPHA,
        temperature=_TEMPERATURE,
    )
    samples = Samples(train=train, val=val, full=len(train), weights=weights, soft_labels=soft_labels)
    history = fit(keras, smaller, samples, tuning, augmentation=augmentation, seed=recipe.seed, reporter=reporter)
    smaller.save(folder / "student_pruned.keras")
    (folder / "pruning.json").write_text(json.dumps(facts(model, smaller, kept) | {"history": dict(history)}))


def facts(model: Any, smaller: Any, kept: Mapping[str, NDArray[np.int64]]) -> dict[str, Any]:
    """The content of pruning.json; `sparsity` is 0: no zeros, but channels that are no longer there."""
    before = {name: int(model.get_layer(name).output.shape[-1]) for name in kept}
    return {
        "sparsity": 0.0,
        "channels": {name: {"before": before[name], "kept": len(index)} for name, index in kept.items()},
        "params": {"before": int(model.count_params()), "after": int(smaller.count_params())},
        "macs": {"before": flops.macs(model), "after": flops.macs(smaller)},
    }


def _summary(model: Any, smaller: Any) -> str:
    return (
        f"{flops.macs(model):,} -> {flops.macs(smaller):,} MAC, "
        f"{int(model.count_params()):,} -> {int(smaller.count_params()):,} parameters"
    )
