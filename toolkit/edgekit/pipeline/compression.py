"""The network of a build or of a file, made smaller: channels removed, weights pruned, trained to be quantized."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgekit.pipeline.values import Network, Results, Work, loss_weights, training_set

_QAT = "student_qat.tfkeras.keras"


def remove_channels(work: Work, results: Results) -> Results:
    """Remove whole channels and fine-tune what is left.

    Raises:
        ExportError: the model is not functional. TrainingError: fine-tuning diverged.
    """
    from edgekit.compression.channels import stage

    recipe, dataset, network = work.recipe, work.dataset, _network(results)
    return _pruned(
        work, results, "channel_pruning", f"Removing {recipe.pruning.channels:.0%} of the channels",
        stage.key(recipe, network.key, dataset.input), "student_pruned.keras",
        lambda into: stage.run(recipe, training_set(work, results), dataset.val, loss_weights(work, results), network.path, into,
                               work.reporter, spec=dataset.input),
    )  # fmt: skip


def prune(work: Work, results: Results) -> Results:
    """Prune weights by magnitude.

    Raises:
        ExportError: a layer has no twin. TrainingError: fine-tuning diverged or missed the sparsity.
    """
    from edgekit.compression import stage

    recipe, network = work.recipe, _network(results)
    return _pruned(
        work, results, "pruning", f"Pruning to {recipe.pruning.sparsity:.0%} zeros", stage.key(recipe, network.key),
        stage.pruned_name(network.path),
        lambda into: stage.run(recipe, training_set(work, results), loss_weights(work, results), network.path, into,
                               work.reporter),
    )  # fmt: skip


def quantize_aware(work: Work, results: Results) -> Results:
    """Train with the rounding of int8.

    Raises:
        ExportError: a layer has no twin. TrainingError: fine-tuning diverged.
    """
    from edgekit.compression import stage

    recipe, network = work.recipe, _network(results)
    folder = work.stages.cached(
        "qat",
        f"Quantization-aware training, {recipe.quantization.qat_epochs} epochs",
        stage.key_qat(recipe, network.key),
        lambda into: stage.run_qat(
            recipe, training_set(work, results), loss_weights(work, results), network.path, into, work.reporter
        ),
    )
    path = work.keep(folder / _QAT, _stored_name(work, _QAT))
    facts = {**results.facts, "qat": json.loads((folder / "qat.json").read_text())}
    return dataclasses.replace(
        results, quantization_aware=dataclasses.replace(network, path=path, key=folder.name), facts=facts
    )


def _pruned(
    work: Work, results: Results, name: str, title: str, key: Mapping[str, Any], file: str, run: Callable[[Path], None]
) -> Results:
    """One pruning stage: its model replaces the network, with what it says of parameters, MAC and zeros."""
    from edgekit.compression.stage import Pruned

    folder = work.stages.cached(name, title, key, run)
    pruned, before = Pruned.read(folder), _network(results)
    network = Network(
        path=work.keep(folder / file, _stored_name(work, file)),
        key=folder.name,
        params=before.params if pruned.params is None else pruned.params,
        macs=before.macs if pruned.macs is None else pruned.macs,
        sparsity=pruned.sparsity,
    )
    student = results.student and dataclasses.replace(
        results.student, path=network.path, params=network.params, macs=network.macs, sparsity=network.sparsity
    )
    facts = {**results.facts, name: pruned.document}
    return dataclasses.replace(results, network=network, student=student, facts=facts)


def _stored_name(work: Work, file: str) -> str:
    """Where a model is kept in the run: a student's under its name, that of a file as "model_..."."""
    return f"models/{file.replace('student', 'model', 1) if work.user else file}"


def _network(results: Results) -> Network:
    assert results.network is not None
    return results.network
