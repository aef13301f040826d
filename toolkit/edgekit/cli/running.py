"""What `edgekit build`, `train` and `curate` share: from options to a run folder, new or continued."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from edgekit.cli.ci_outputs import CommandResult
from edgekit.cli.console import Console
from edgekit.cli.options import RunOptions
from edgekit.errors import EdgekitError, RecipeError, UsageError
from edgekit.types import Report

if TYPE_CHECKING:
    from edgekit.recipe import Recipe


def run(until: Any, values: Mapping[str, Any], options: RunOptions, result: CommandResult | None = None) -> None:
    """Load the recipe, build until `until` and print the results; `result` gets its gates and its report."""
    recipe, folder = _recipe_and_folder(values, options)
    out = folder or _new_folder(recipe)
    if result is not None:
        result.add(unjudged=recipe.gates, subject=str(out))
    from edgekit.cli import summary
    from edgekit.pipeline.build import build

    try:
        with Console() as reporter:
            report = build(
                recipe, out, resume=options.resume, force=options.force, until=until, reporter=reporter
            )  # fmt: skip
    except EdgekitError as missed:
        if isinstance(missed.report, Report):
            summary.print_report(missed.report.document, missed.report.path, options.as_json)
        raise
    if report is None:
        summary.print_stage(out, until, options.as_json)
    else:
        summary.print_report(report.document, report.path, options.as_json)
        if result is not None:
            result.report(report)


def _recipe_and_folder(values: Mapping[str, Any], options: RunOptions) -> tuple[Recipe, Path | None]:
    """The recipe to build, and the folder if one was named or is continued."""
    from edgekit import recipe as recipes
    from edgekit.evidence import gates

    if options.force and options.resume:
        raise UsageError("--force replaces a run and --resume continues it; give one of them.")
    recipe, out = recipes.load(options.recipe, options.set_ or [], values), options.out
    if options.resume:
        out = out or _newest_unfinished()
        given = options.recipe is not None or options.set_ or any(value is not None for value in values.values())
        recipe = _recipe_to_continue(out, recipe if given else None)
    for demand in recipe.gates:
        gates.parse(demand)
    return recipe, out


def show_plan(values: Mapping[str, Any], options: RunOptions) -> None:
    """Print the complete recipe, the samples of each part and the stages of a build, without starting it."""
    from dataclasses import asdict

    from edgekit import data
    from edgekit.evidence import gates
    from edgekit.pipeline import dry_run as planning
    from edgekit.pipeline import prepare

    recipe, _ = _recipe_and_folder(values, options)
    dataset = data.load_section(recipe.data, recipe.seed)
    sizes = {part: len(getattr(dataset, part)) for part in ("train", "val", "cal", "test")}
    gates.check_classes(recipe.gates, dataset.classes, dataset.val.y)
    steps = planning.plan(recipe, dataset)
    recipe = prepare.resolved(recipe, dataset)
    if options.as_json:
        document = {"recipe": recipe.model_dump(mode="json"), "source": dataset.source, "sizes": sizes}
        typer.echo(json.dumps(document | {"plan": [asdict(step) for step in steps]}, indent=2))
        return
    typer.echo(
        recipe.to_yaml() + f"# data: {dataset.source}; " + ", ".join(f"{n:,} {part}" for part, n in sizes.items())
    )
    for line in planning.lines(steps):
        typer.echo(f"# {line}".rstrip())


def _new_folder(recipe: Recipe) -> Path:
    """runs/<time>-<data>-<curation>-<precision>: sorts by age and shows what it is."""
    from datetime import datetime

    data = Path(recipe.data.spec).stem
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{data}-{recipe.curation.method}-{recipe.quantization.precision}"
    folder = Path("runs") / stem
    number = 2
    while folder.exists():
        folder, number = Path("runs") / f"{stem}-{number}", number + 1
    return folder


def _newest_unfinished() -> Path:
    for folder in sorted(Path("runs").glob("*/"), key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            if folder.is_symlink():  # runs/latest: its target is listed too
                continue
            if json.loads((folder / "manifest.json").read_text())["status"] != "complete":
                return folder
        except (OSError, ValueError, KeyError, TypeError):
            continue
    raise UsageError("No unfinished run in runs/; name one with --out.")


def _recipe_to_continue(folder: Path, given: Recipe | None) -> Recipe:
    """The recipe of the run to continue; options that contradict it are refused, so a resumed run is what it claims."""
    from edgekit import recipe as recipes

    try:
        text = json.loads((folder / "manifest.json").read_text())["recipe"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{folder} contains no edgekit run to continue; start one without --resume.") from None
    stored = recipes.from_yaml(text)
    if given and (changed := recipes.differences(stored, given)):
        raise RecipeError(
            f"--resume continues {folder} with its own recipe, and your options differ in {', '.join(changed)}. "
            "Leave these options out, or start a new run (finished stages come from the cache)."
        )
    return stored
