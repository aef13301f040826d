"""compress(recipe, model file) -> report: a user's own model, pruned, quantized, exported, and measured on the user's data.

As a build does it, less curation and the training of a network: the float file and the compressed ones come from the same
model, and every number is read from the files. What did not improve is said beside what did.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

from edgekit import backend, data
from edgekit.bench import measure as measuring
from edgekit.compression import channels_stage, user_model
from edgekit.compression.opened import opened
from edgekit.compression_steps import Compression
from edgekit.environment import environment
from edgekit.errors import ExportError, GateNotMet, UsageError
from edgekit.evidence import gates
from edgekit.export import waveform
from edgekit.recipe import Recipe, TrainingSection, differences
from edgekit.stages import Stages
from edgekit.store import RunFolder
from edgekit.types import Gate, Report, Reporter, Silent

_NOT_READ = ("curation", "distillation", "student", "teacher", "training", "control", "backend")
# Of `training`, by the fine-tuning of pruning and of quantization-aware training.
_READ = ("training.batch_size", "training.class_weights")


def check(recipe: Recipe) -> None:
    """Refuse what only a build does.

    Raises:
        UsageError: values that differ from the defaults and that nothing here reads, all of them named.
    """
    read = set(_READ)
    if recipe.pruning.channels:
        tuning = channels_stage.section(recipe)
        names = [n for n in TrainingSection.model_fields if getattr(tuning, n) == getattr(recipe.training, n)]
        read.update(f"training.{name}" for name in names)
    given = [key for key in differences(recipe, Recipe()) if key.split(".")[0] in _NOT_READ and key not in read]
    if given:
        raise UsageError(
            f"compress does not read {', '.join(given)}: it trains no network anew and curates nothing. Leave them out, or use"
            " `edgekit build`; pruning.* and quantization.qat_* say how long the model is fine-tuned."
        )


def compress(
    recipe: Recipe,
    model_path: Path,
    out: Path,
    *,
    input_range: user_model.InputRange | None = None,
    force: bool = False,
    reporter: Reporter | None = None,
) -> Report:
    """Compress the model at `model_path` as recipe.pruning and recipe.quantization say, into the folder `out`.

    Leaves artifacts/*, models/*.keras, evaluation/*, bench/*, report.json and manifest.json. Gates and max_drop judge the last
    .tflite on val; the drop is counted from the float32 file of the model as it was given, so that pruning counts too.

    Args:
        force: replace what an earlier run left in `out`, and let the quantization ladder judge a drop that val is too small for.

    Raises:
        EdgekitError: see edgekit.errors; GateNotMet only after the report was written.
    """
    check(recipe)
    planned = measuring.check(recipe.bench)
    gates.demanded(recipe.gates, [endpoint.text for endpoint, _ in planned], recipe.bench.threads)
    stages = Stages(reporter or Silent())
    with stages.timed("data", "Data"):
        dataset = data.load_section(recipe.data, recipe.seed)
        stages.reporter.note(f"{dataset.source}: {len(dataset.train):,} train, {len(dataset.test):,} test")
        gates.check_classes(recipe.gates, dataset.classes, dataset.val.y)
        waveform.check(recipe, dataset)
        if recipe.quantization.precision == "auto":
            from edgekit import ladder

            ladder.check(recipe, dataset, force=force)
    with stages.timed("model", "Model"):
        keras = backend.load("tensorflow")
        backend.seed(keras, recipe.seed, deterministic=recipe.deterministic)
        user = user_model.load(model_path, dataset, input_range)
        for note in user.notes:
            stages.reporter.note(note)
        if recipe.pruning.channels:
            if user.framework != "keras":
                raise ExportError(
                    f"Channels are pruned in models of Keras 3 without random augmentation in them; {model_path} is none."
                )
            user = dataclasses.replace(user, model=opened(keras, user.model))
    folder = RunFolder.open(out, force=force, status="running", recipe=recipe.to_yaml(), **environment())
    try:
        with tempfile.TemporaryDirectory(prefix="edgekit-compress-") as work:
            compression = Compression(recipe, dataset, user, folder, stages, Path(work))
            report = compression.run(model_path, lenient=force)
        folder.save_manifest(status="complete")
    finally:
        folder.close()
    compression.benched.raise_failures(f"The report is in {out}.", report)
    if missed := [Gate(**row) for row in report.document["gates"] if not row["met"]]:
        named = "; ".join(f"{gate.demand} ({gate.told})" for gate in missed)
        raise GateNotMet(f"Gate not met: {named}. The report is in {out}.", report)
    return report
