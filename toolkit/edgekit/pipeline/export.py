"""The files of a build or of a compression: each precision exported as a cached stage, described, and laid into the run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.errors import GateNotMet
from edgekit.export import stage as exporting
from edgekit.export import waveform
from edgekit.export.metadata import labels_txt
from edgekit.export.stage import Exported
from edgekit.pipeline import ladder
from edgekit.pipeline.values import Network, Results, Work, loss_weights, training_set
from edgekit.runs.recorded import inside
from edgekit.types import Artifact


def float32(work: Work, results: Results) -> Results:
    """The float32 files: of the student after pruning, or of a file's model as it was given, which drops are counted from.

    Raises:
        ExportError: a conversion failed. GateNotMet: a file does not compute what the model does.
    """
    network = results.unpruned if work.user else results.network
    assert network is not None
    results = _with_files(work, results, _exported(work, results, "float32", "export_float32", network), network)
    if work.folder:
        work.folder.write("artifacts/labels.txt", labels_txt(work.dataset))
    return results


def name_of(work: Work) -> str:
    """The name of the stage that exports the recipe's precision."""
    precision = work.recipe.quantization.precision
    return "export_float32_pruned" if precision == "float32" else f"export_{precision}"


def has_second(work: Work) -> bool:
    """Whether there is a file beside the float32 one: of another precision, or of a file's model after pruning."""
    precision, pruning = work.recipe.quantization.precision, work.recipe.pruning
    pruned = work.user is not None and bool(pruning.sparsity or pruning.channels)
    return precision != "auto" and (precision != "float32" or pruned)


def export(work: Work, results: Results) -> Results:
    """The files of the recipe's precision; raises as `float32` does."""
    precision = work.recipe.quantization.precision
    network = results.quantization_aware if precision == "int8-qat" else results.network
    assert network is not None
    ending = "_pruned" if precision == "float32" else ""
    return _with_files(work, results, _exported(work, results, precision, name_of(work), network), network, ending)


def climb(work: Work, results: Results) -> Results:
    """The file of the first rung of the quantization ladder that holds the demand.

    Raises:
        ExportError: no rung could be made.
    """
    network = results.network
    assert network is not None

    def run(into: Path) -> None:
        float_file = work.run.path / "artifacts" / "model_float32.tflite"
        try:
            ladder.climb(work.recipe, work.dataset, training_set(work, results), loss_weights(work, results), _model(network),
                         float_file, into, work.reporter, force=work.lenient)  # fmt: skip
        except GateNotMet:
            if not (into / ladder.FACTS).exists():
                raise  # not the ladder's verdict, which the report tells before the run ends with it

    key = ladder.key(work.recipe, network.key, _samples(work, results))
    folder = work.stages.cached("ladder", "Quantization ladder", key, run)
    facts = {**results.facts, "ladder": ladder.read(folder)}
    return dataclasses.replace(_with_files(work, results, folder, network), facts=facts)


def add_waveform(work: Work, results: Results) -> Results:
    """The shipped file behind its audio front end; raises as `waveform.add` does."""
    inside_file = waveform.add(work.recipe, work.dataset, exporting.shipped(results.artifacts), work.run, work.stages)
    return dataclasses.replace(results, waveform=inside_file)


def _exported(work: Work, results: Results, precision: str, name: str, network: Network) -> Path:
    options = dict(_options(work, precision, network)) | {"demand_onnx": work.user is None}
    key = exporting.key(work.recipe, precision, network.key, _samples(work, results), demand_onnx=work.user is None)
    run = partial(
        exporting.run, work.recipe, precision, work.dataset, training_set(work, results), network.path, **options
    )
    return work.stages.cached(name, f"Export {precision}", key, run)


def _samples(work: Work, results: Results) -> str:
    """What names the training samples, for a key."""
    return results.curated.selection.sha256 if results.curated else work.dataset.fingerprint


def _options(work: Work, precision: str, network: Network) -> Mapping[str, Any]:
    """What export takes from compression, which it may not import."""
    section = work.recipe.quantization
    options: dict[str, Any] = {"reporter": work.reporter}
    if network.twin:
        from edgekit.compression.qat import load_tf_keras

        options["load"] = load_tf_keras
    if section.ranges == "percentile" and precision == "int8":
        from edgekit.compression.qat import at_percentile

        options["with_ranges"] = at_percentile(section.per_channel)
    return options


def _model(network: Network) -> Any:
    if not network.twin:
        return exporting.keras_model(network.path)
    from edgekit.compression.qat import load_tf_keras

    return load_tf_keras(network.path)


def _with_files(work: Work, results: Results, folder: Path, network: Network, ending: str = "") -> Results:
    """The files that a stage left in `folder`, `ending` put to their names, and what is to be said of them."""
    exported = Exported.read(folder)
    artifacts: list[Artifact] = []
    parity: dict[str, Any] = {}
    for name in exported.files:
        kept = f"{Path(name).stem}{ending}{Path(name).suffix}"
        path = work.keep(inside(folder, name, folder / exporting.FACTS), f"artifacts/{kept}")
        artifacts.append(exporting.artifact(path, exported, params=network.params, macs=network.macs))
        parity |= {kept: exported.parity[name]} if name in exported.parity else {}
        if work.folder:
            last = artifacts[-1]
            work.reporter.note(f"{last.name}: {last.size_bytes:,} bytes ({last.gzip_bytes:,} after gzip)")
    return dataclasses.replace(
        results,
        artifacts=(*results.artifacts, *artifacts),
        files={**results.files, artifacts[0].name: exported.described},
        parity={**results.parity, **parity},
    )
