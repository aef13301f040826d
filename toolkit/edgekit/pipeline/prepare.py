"""The data stage: everything that can be refused before the run folder is taken, and numbers in the place of every "auto"."""

from __future__ import annotations

from pathlib import Path

from edgekit import data, registry
from edgekit.bench import measure as measuring
from edgekit.errors import EdgekitError, RecipeError
from edgekit.evidence import gates
from edgekit.export import waveform
from edgekit.pipeline import curate, ladder
from edgekit.recipe import LEFT_OUT, Recipe, from_yaml
from edgekit.runs.files import sha256_file
from edgekit.runs.stages import Stages
from edgekit.students.choose import choose
from edgekit.students.pretrained import public
from edgekit.training import budget
from edgekit.types import Dataset, Reporter


def check_targets(recipe: Recipe) -> None:
    """Refuse targets that cannot be reached, and gates on what will not be measured, before any work."""
    planned = measuring.check(recipe.bench)
    gates.demanded(recipe.gates, [endpoint.text for endpoint, _ in planned], recipe.bench.threads)
    measuring.check(recipe.bench, reach=True)


def load(recipe: Recipe, stages: Stages, *, lenient: bool, of_file: bool = False) -> tuple[Recipe, Dataset]:
    """The data set, and the recipe with what the data decide.

    Wrong data must not cost a run that --force would replace, nor leave half a one: so this comes before the folder is taken.

    Args:
        lenient: let the quantization ladder judge a drop that val is too small for. of_file: the model comes from a file.

    Raises:
        EdgekitError: what the build would be refused for.
    """
    with stages.timed("data", "Data"):
        reporter = stages.reporter
        dataset = data.load_section(recipe.data, recipe.seed)
        parts = [part for part in ("train", "val", "cal", "test") if len(getattr(dataset, part))]
        reporter.note(f"{dataset.source}: {', '.join(f'{len(getattr(dataset, part)):,} {part}' for part in parts)}")
        for note in dataset.notes:
            reporter.note(note)
        if dataset.skipped:
            reporter.warn(data.skipped_message(dataset.skipped))
        if few := data.few_samples_message(val=dataset.val, cal=dataset.cal):
            reporter.warn(few)
        gates.check_classes(recipe.gates, dataset.classes, dataset.val.y)
        waveform.check(recipe, dataset)
        if recipe.quantization.precision == "auto":
            ladder.check(recipe, dataset, force=lenient)
        if of_file:
            return budget.sized(recipe, dataset.class_counts, dataset.input, retries=False), dataset
        curate.check(recipe, dataset)
        _check_files(recipe, dataset, reporter)
        return resolved(recipe, dataset, reporter), dataset


def resolved(recipe: Recipe, dataset: Dataset, reporter: Reporter | None = None) -> Recipe:
    """The recipe that a build works with: every "auto" that the data decide before any training is decided."""
    section = recipe.student
    if section.name == "auto":
        name, width, reason = choose(dataset.input.shape, len(dataset.classes), section.max_size)
        if reporter:
            reporter.note(f"student {name} {width}: {reason}")
        recipe = recipe.model_copy(update={"student": section.model_copy(update={"name": name, "width": width})})
    recipe = recipe.model_copy(update={"data": data.resolved(recipe.data, dataset)})
    return budget.sized(recipe, dataset.class_counts, dataset.input)


def _check_files(recipe: Recipe, dataset: Dataset, reporter: Reporter) -> None:
    """Open what later stages read, since hours may lie between."""
    weights, spec = public.fetched(recipe.student, dataset.input.shape), recipe.quantization.calibration
    if weights and not weights.is_file():
        hint = f" {LEFT_OUT} stands for data.leave_out, which is not given." if LEFT_OUT in str(weights) else ""
        raise RecipeError(
            f"The weights {weights} do not exist; expected a .keras or .h5 file, a checkpoint as .safetensors or .npz, "
            f"or a name ({', '.join(registry.PUBLIC_WEIGHTS)}).{hint}"
        )
    if weights and recipe.student.weights in registry.PUBLIC_WEIGHTS:
        reporter.note(f"weights {recipe.student.weights}: {weights} (sha256 {sha256_file(weights)})")
    if recipe.student.backbone and (group := _seen_group(recipe)):
        reporter.warn(
            f"the backbone {recipe.student.backbone} was trained on {group!r} too, which is left out here: the test is not on an "
            "unseen group"
        )
    if spec:
        data.load_pool(spec, shape=dataset.input.shape, front_end=dataset.input.front_end)


def _seen_group(recipe: Recipe) -> str | None:
    """The group left out, if the backbone comes from a run on the same data that did not leave it out."""
    beside = Path(recipe.student.backbone or "").parent.parent / "recipe.yaml"
    if recipe.data.leave_out is None or not beside.is_file():
        return None
    try:
        before = from_yaml(beside.read_text()).data
    except (OSError, EdgekitError):
        return None  # of another edgekit
    same = before.spec == recipe.data.spec and before.leave_out != recipe.data.leave_out
    return recipe.data.leave_out if same else None
