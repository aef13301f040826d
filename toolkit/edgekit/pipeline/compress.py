"""compress(recipe, model file) -> report: a user's own model, pruned, quantized, exported, and measured on the user's data.

A build whose model comes from a file: the same stages, less curation and training. The float file and the compressed ones come
from the same model, and every number is read from the files. What did not improve is said beside what did.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from edgekit.compression.channels import stage as channels_stage
from edgekit.compression.stage import TWIN
from edgekit.data.pixels import InputRange
from edgekit.errors import ExportError, UsageError
from edgekit.frameworks import backend
from edgekit.pipeline import finish, prepare, stages, user_model
from edgekit.pipeline.opened import opened
from edgekit.pipeline.values import Network, Results, Work
from edgekit.recipe import Recipe, TrainingSection, differences
from edgekit.runs.code import code_digest
from edgekit.runs.environment import environment, versions
from edgekit.runs.files import canonical_json, sha256_file
from edgekit.runs.folder import RunFolder
from edgekit.runs.stages import Stages
from edgekit.types import Dataset, Report, Reporter, Silent

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
    if recipe.data.cv is not None:
        raise UsageError("compress trains no network anew, so that data.cv (--cv) has no folds to train; leave it out.")
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
    input_range: InputRange | None = None,
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
    prepare.check_targets(recipe)
    timed = Stages(reporter or Silent())
    recipe, dataset = prepare.load(recipe, timed, lenient=force, of_file=True)
    with tempfile.TemporaryDirectory(prefix="edgekit-compress-") as temporary:
        with timed.timed("model", "Model"):
            user, network = _given(recipe, model_path, dataset, input_range, Path(temporary), timed.reporter)
        folder = RunFolder.open(out, force=force, status="running", recipe=recipe.to_yaml(), **environment())
        try:
            work = Work(recipe=recipe, dataset=dataset, folder=folder, stages=timed, lenient=force, user=user)
            results = stages.run(work, Results(unpruned=network, network=network))
            folder.save_manifest(status="complete", peak_rss_bytes=timed.peak_rss_bytes)
            finish.errors(work, results)
        finally:
            folder.close()
    assert results.report is not None
    return results.report


def _given(
    recipe: Recipe,
    path: Path,
    dataset: Dataset,
    input_range: InputRange | None,
    folder: Path,
    reporter: Reporter,
) -> tuple[user_model.UserModel, Network]:
    """The model at `path`, and the file in `folder` that the stages start from."""
    keras = backend.load("tensorflow")
    backend.seed(keras, recipe.seed, deterministic=recipe.deterministic)
    user = user_model.load(path, dataset, input_range)
    for note in user.notes:
        reporter.note(note)
    model = user.model
    if recipe.pruning.channels:
        if user.framework != "keras":
            raise ExportError(
                f"Channels are pruned in models of Keras 3 without random augmentation in them; {path} is none."
            )
        model = opened(keras, model)
    start = folder / ("given.keras" if user.framework == "keras" else f"given{TWIN}")
    model.save(start)
    key = {
        "file": sha256_file(path),
        "input_range": user.input_range,
        "opened": bool(recipe.pruning.channels),
        # What fine-tuning and export read beside the recipe's sections in their own keys.
        "data": dataset.fingerprint,
        "mirrored": dataset.input.mirrored,
        "class_weights": recipe.training.class_weights,
        "deterministic": recipe.deterministic,
        "versions": versions("tensorflow", "keras", "tf-keras"),
        "code": code_digest(__name__, user_model.__name__, opened.__module__),
    }
    digest = hashlib.sha256(canonical_json(key).encode()).hexdigest()[:32]
    return user, Network(path=start, key=digest, params=int(model.count_params()), macs=user.macs or 0)
