"""edgekit curate: score and select training samples, show them, or rank an unlabeled pool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit import registry
from edgekit.cli import build
from edgekit.cli import options as o
from edgekit.errors import UsageError

app = typer.Typer(
    help="Score and select the training samples, show them, or rank an unlabeled pool.",
    invoke_without_command=True,
    rich_markup_mode=None,
)

_POOL = ("data.spec", "data.image_size", "data.skip_bad", "teacher.name", "seed", "backend", "deterministic")


@app.callback()
def curate(
    context: typer.Context,
    data: o.Data = None,
    image_size: o.ImageSize = None,
    skip_bad: o.SkipBad = False,
    recipe: o.RecipeFile = None,
    set_: o.Settings = None,
    curate: o.Curate = None,
    variant: o.Variant = None,
    budget: o.Budget = None,
    balance: o.Balance = False,
    max_edit: o.MaxEdit = None,
    edit: o.EditKind = None,
    folds: o.Folds = None,
    members: o.Members = None,
    trusted_val: o.TrustedVal = False,
    apply: o.Apply = None,
    stability: Annotated[
        int | None, typer.Option(help="Repeat with so many other RNG seeds and report how stable scores and edits are.")
    ] = None,
    pool: Annotated[
        str | None, typer.Option(help="Unlabeled images (folder, .npz or CSV): rank what to label next.")
    ] = None,
    label_budget: Annotated[int | None, typer.Option(help="With --pool: how many samples you can label.")] = None,
    strategy: Annotated[
        str | None, typer.Option(help=f"With --pool: {', '.join(registry.POOLS)}; default margin.")
    ] = None,
    teacher: o.TeacherName = None,
    backend: o.Backend = None,
    seed: o.Seed = None,
    deterministic: o.Deterministic = False,
    out: o.Out = None,
    force: o.Force = False,
    resume: o.Resume = False,
    as_json: o.Json = False,
) -> None:
    """Only score and select the training samples; `edgekit build --resume --out DIR` goes on from there."""
    if context.invoked_subcommand:
        return
    values = build.curation(
        data, curate, teacher, seed, variant=variant, budget=budget, balance=balance, max_edit=max_edit, edit=edit,
        folds=folds, members=members, trusted_val=trusted_val, apply=apply,
    ) | build.reading(image_size, skip_bad) | {
        "backend": backend, "deterministic": deterministic or None, "curation.repeats": stability,
    }  # fmt: skip
    if (pool is None) != (label_budget is None):
        raise UsageError("--pool DIR and --label-budget N go together: what to choose from, and how many to choose.")
    if pool is not None and label_budget is not None:
        if force or resume:
            raise UsageError("--pool writes one new file; --force and --resume are for runs.")
        _rank_pool(recipe, set_ or [], values, pool, label_budget, strategy or "margin", out, as_json=as_json)
        return
    if strategy is not None:
        raise UsageError("--strategy ranks a pool; give --pool DIR and --label-budget N with it.")
    build.run("curate", recipe, set_, values, out, force=force, resume=resume, as_json=as_json)


@app.command("show")
def show(
    run: Annotated[Path, typer.Argument(help="A run folder with a curation.")],
    worst: Annotated[int, typer.Option(help="Samples per class.", min=1)] = 5,
    by: Annotated[str | None, typer.Option(help="The score to go by; default: the method's.")] = None,
    as_json: o.Json = False,
) -> None:
    """The worst samples of each class: id, score, what was done with it and why."""
    from edgekit.cli import summary

    summary.print_worst(run, worst, by, as_json)


def _rank_pool(
    recipe_file: Path | None,
    settings: list[str],
    values: dict[str, Any],
    pool: str,
    count: int,
    strategy: str,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    from edgekit import labeling
    from edgekit import recipe as recipes
    from edgekit.cli import summary
    from edgekit.cli.console import Console

    if other := [key for key, value in values.items() if value is not None and key not in _POOL]:
        raise UsageError(f"--pool ranks unlabeled samples; it does not go with {', '.join(other)}.")
    if ignored := [setting for setting in settings if setting.startswith("curation.")]:
        raise UsageError(f"--pool ranks unlabeled samples; it does not read {ignored[0]}.")
    # As for the methods that train several networks: the fast teacher, unless another is asked for.
    asked = recipes.load(recipe_file, settings, {**values, "curation.method": "self-confidence"})
    path = out or Path("label-next.jsonl")
    with Console() as reporter:
        rows = labeling.label_next(asked, pool, count, strategy, path, reporter=reporter)
    summary.print_pool(rows, path, as_json)
