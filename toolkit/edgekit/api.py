"""The functions of `import edgekit` for scripts and notebooks: paths as text, visible progress, returned values.

They do the same as the commands of the same names. Pass `edgekit.types.Silent()` as `reporter` to keep them quiet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgekit.notebook import progress
from edgekit.types import Artifact, Dataset, Evaluation, Gate, Measurement, Output, Report, Reporter

if TYPE_CHECKING:
    from edgekit.data.pixels import InputRange
    from edgekit.recipe import Recipe

Until = Literal["curate", "train", "report"]


def load_recipe(path: str | Path | None = None, values: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe: a YAML file, or the defaults, overridden by `values`.

    Args:
        values: by their dotted keys, such as {"curation.method": "iqr", "training.epochs": 20, "gates": ["size_kb<=40"]}.

    Raises:
        RecipeError, UnknownName: the file or a value is invalid.
    """
    from edgekit import recipe

    return recipe.load(None if path is None else Path(path), values=values)


def load_data(spec: str | Path | None = None, *, seed: int = 42, **options: Any) -> Dataset:
    """A labeled data set with its train, val, cal and test splits; by default the images shipped with edgekit.

    Args:
        spec: as in `--data`: a named set, a folder of images or clips by class, a .npz or CSV file, "hf:NAME" or "tfds:NAME".
        seed: seed of the splits that the source lacks.
        options: values of the recipe's data section, such as image_size="32x32" or skip_bad=True.

    Raises:
        DataError: it cannot be read. RecipeError: an unknown option.
    """
    from edgekit import data

    given = {f"data.{name}": value for name, value in options.items()}
    recipe = load_recipe(values={"data.spec": None if spec is None else str(spec), "seed": seed, **given})
    return data.load_section(recipe.data, recipe.seed)


def build(
    recipe: Recipe | None = None,
    out: str | Path = "runs/notebook",
    *,
    resume: bool = False,
    force: bool = False,
    lenient: bool | None = None,
    until: Until = "report",
    reporter: Reporter | None = None,
) -> Report | None:
    """Run the stages of a recipe into the run folder `out`, as `edgekit build` does.

    Args:
        recipe: None = the defaults, on the shipped images.
        resume, force, lenient, until: see `edgekit.pipeline.build`.

    Returns:
        The Report, or None when `until` ends before it.

    Raises:
        EdgekitError: see edgekit.errors; a GateNotMet or TargetError that came after the report has it as `.report`.
    """
    from edgekit.pipeline.build import build

    return build(
        recipe or load_recipe(),
        Path(out),
        resume=resume,
        force=force,
        lenient=lenient,
        until=until,
        reporter=reporter or progress.chosen(),
    )


def compress(
    recipe: Recipe,
    model: str | Path,
    out: str | Path,
    *,
    input_range: InputRange | None = None,
    force: bool = False,
    reporter: Reporter | None = None,
) -> Report:
    """Prune, quantize, export and measure a Keras model of your own, as `edgekit compress` does.

    Args:
        recipe: its pruning, quantization, data, bench and gates are read. model: a .keras or .h5 file.
        input_range: the pixel range that the model was trained on; None = determined from its first layers.

    Raises:
        EdgekitError: see edgekit.errors; a GateNotMet or TargetError that came after the report has it as `.report`.
    """
    from edgekit.pipeline import compress as compressing

    progress_reporter = reporter or progress.chosen()
    return compressing.compress(
        recipe, Path(model), Path(out), input_range=input_range, force=force, reporter=progress_reporter
    )


def describe(file: str | Path) -> Artifact:
    """Describe a .tflite or .onnx classifier: sizes, digest, input and output. Raises DataError."""
    from edgekit.inference import standalone

    return standalone.artifact_of(Path(file))


def evaluate(
    file: str | Path,
    data: Dataset | str | Path | None = None,
    *,
    split: str = "test",
    input_range: InputRange = "0-1",
    output: Output | None = None,
    seed: int | None = None,
) -> Evaluation:
    """Accuracy and reliability of a .tflite or .onnx classifier, by running the file.

    Args:
        data: a Dataset, or what `load_data` takes; None = the images shipped with edgekit.
        split: train, val, cal or test. input_range: the pixel range that the file expects: 0-1, 0-255 or signed.
        output: the kind of the file's output; None = as in a metadata.json next to it, else probabilities.
        seed: seed of the splits, if `data` is not a Dataset.

    Raises:
        DataError: the file does not accept these samples. UnknownName: no such split.
    """
    from edgekit.inference import standalone

    path = Path(file)
    if not isinstance(data, Dataset):
        data = standalone.images(None if data is None else str(data), None, seed, [path])
    return standalone.evaluate_file(path, data, split, input_range, output=output)


def measure(
    *files: str | Path,
    targets: Sequence[str] = ("host",),
    data: str | Path | None = None,
    reporter: Reporter | None = None,
    done: Callable[[Sequence[Measurement]], None] | None = None,
    **plan: Any,
) -> list[Measurement]:
    """Latency of files with evidence for its validity, and with `data` their accuracy and parity, on each target.

    Args:
        files: .tflite or .onnx classifiers of one input shape.
        targets: as `--target`: host, ssh://user@host, adb, or a name of targets.yaml.
        done: called with the rows of each target as soon as it is done, so that results are not lost if a later target fails.
        plan: values of the recipe's bench section, such as threads=(1,), runs=200 or samples=500.

    Raises:
        TargetError: a target could not be measured. GateNotMet: int8 outputs differ between equal runtimes.
        UsageError, DataError: incompatible files or settings.
    """
    from edgekit import recipe
    from edgekit.bench import files as benching

    section = recipe.bench_of(targets=tuple(targets), **plan)
    progress_reporter, spec = reporter or progress.chosen(), None if data is None else str(data)
    benched = benching.bench_files([Path(file) for file in files], spec, section, progress_reporter, done=done)
    benched.raise_failures("Results of other targets were passed to `done`, if given.")
    return list(benched.measurements)


def open_run(path: str | Path) -> Report:
    """The report of a finished run or compression in folder `path`. Raises IntegrityError if there is none."""
    from edgekit import report

    return Report(path=Path(path), document=report.read(Path(path)))


def judge(run: Report | str | Path, gates: Sequence[str] = (), max_drop: float | None = None) -> list[Gate]:
    """Check a finished run against gates such as "accuracy>=0.92" or "p50_ms<=2@ssh://user@pi"; without any, its own again.

    Raises:
        UsageError: a gate that is malformed, or on something the run did not measure.
    """
    from edgekit.report import values

    return values.judge(run if isinstance(run, Report) else open_run(run), gates, max_drop)
