"""edgekit curate: score and select training samples, show them, or rank an unlabeled pool."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit import registry
from edgekit.cli import options as o
from edgekit.cli import running
from edgekit.cli.help import Command, Group, examples
from edgekit.cli.signature import taking
from edgekit.errors import UsageError

app = typer.Typer(cls=Group, invoke_without_command=True, add_completion=False, rich_markup_mode=None)

_OF_TRAINING = ("backend", "deterministic")
_NOT_YET = ("data.cv", "control")
KEYS = (*(key for key in o.keys(o.DATA, o.CURATION, o.RUN) if key not in _NOT_YET), *_OF_TRAINING)
_POOL = ("data.spec", "data.image_size", "data.skip_bad", "teacher.name", "seed", *_OF_TRAINING)

Pool = Annotated[
    str | None,
    typer.Option(
        metavar="SPEC", help="Unlabeled images (folder, .npz or CSV) to rank by what to label next.",
        rich_help_panel=o.DATA,
    ),
]  # fmt: skip
LabelBudget = Annotated[
    int | None,
    typer.Option(metavar="N", help="With --pool: number of samples you can label.", rich_help_panel=o.DATA),
]
Strategy = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help=f"With --pool: how to rank. [one of {', '.join(registry.POOLS)}; default: margin]",
        rich_help_panel=o.DATA,
    ),
]  # fmt: skip


@app.callback()
@taking(*KEYS)
def curate(
    context: typer.Context,
    values: Mapping[str, Any],
    run: o.RunOptions,
    pool: Pool = None,
    label_budget: LabelBudget = None,
    strategy: Strategy = None,
) -> None:
    """Select the training samples and stop; or rank unlabeled samples.

    `edgekit build --resume --out DIR` continues the run.
    """
    if context.invoked_subcommand:
        return
    if (pool is None) != (label_budget is None):
        raise UsageError("--pool DIR and --label-budget N go together: what to choose from, and how many to choose.")
    if pool is not None and label_budget is not None:
        if run.force or run.resume:
            raise UsageError("--pool writes one new file; --force and --resume are for runs.")
        _rank_pool(values, run, pool, label_budget, strategy or "margin")
        return
    if strategy is not None:
        raise UsageError("--strategy ranks a pool; give --pool DIR and --label-budget N with it.")
    running.run("curate", values, run)


@app.command(
    "show",
    cls=Command,
    epilog=examples("edgekit curate show runs/latest", "edgekit curate show runs/latest --worst 10 --json"),
)
def show(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder with a curation.")],
    worst: Annotated[int, typer.Option(metavar="N", help="Number of samples per class.", min=1)] = 5,
    by: Annotated[
        str | None, typer.Option(metavar="SCORE", help="Score to sort by. By default that of the method.")
    ] = None,
    as_json: o.Json = False,
) -> None:
    """Show the worst samples of each class: ID, score, what was done with it and why."""
    from edgekit.cli import summary

    summary.print_worst(run, worst, by, as_json)


def _rank_pool(values: Mapping[str, Any], run: o.RunOptions, pool: str, count: int, strategy: str) -> None:
    from edgekit import recipe as recipes
    from edgekit.cli import summary
    from edgekit.cli.console import Console
    from edgekit.pipeline import label_next as labeling

    if other := [key for key, value in values.items() if value is not None and key not in _POOL]:
        raise UsageError(f"--pool ranks unlabeled samples; it does not go with {', '.join(other)}.")
    if ignored := [setting for setting in run.set_ or [] if setting.startswith("curation.")]:
        raise UsageError(f"--pool ranks unlabeled samples; it does not read {ignored[0]}.")
    # As for the methods that train several networks: the fast teacher, unless another is requested.
    recipe = recipes.load(run.recipe, run.set_ or [], {**values, "curation.method": "self-confidence"})
    path = run.out or Path("label-next.jsonl")
    with Console() as reporter:
        rows = labeling.label_next(recipe, pool, count, strategy, path, reporter=reporter)
    summary.print_pool(rows, path, run.as_json)
