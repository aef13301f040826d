"""edgekit build: recipe in, run folder out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from edgekit.cli import options as o
from edgekit.cli import running
from edgekit.cli.ci_outputs import reported_to_ci
from edgekit.cli.signature import taking
from edgekit.errors import UsageError

# The other keys of these panels belong to `curate` and `bench`.
KEYS = (*(key for key in o.keys(o.DATA, o.CURATION, o.TRAINING, o.COMPRESSION, o.GATES, o.RUN) if key != "curation.repeats"),
        "bench.targets")  # fmt: skip

DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", rich_help_panel=o.RUN,
        help="Print the recipe, the data it finds, and the stages with the time they took before; build nothing.",
    ),
]  # fmt: skip


@taking(*KEYS)
def build(
    values: Mapping[str, Any],
    run: o.RunOptions,
    dry_run: DryRun = False,
    junit: o.Junit = None,
    summary: o.Summary = None,
) -> None:
    """Build a small model: curate, train, prune, quantize, export, evaluate, benchmark, report."""
    if dry_run:
        if junit or summary:
            raise UsageError("--junit and --summary report the results of a build, but --dry-run builds nothing.")
        running.show_plan(values, run)
        return
    with reported_to_ci("build", str(run.out or "a new run"), values["gates"] or (), junit, summary) as result:
        running.run("report", values, run, result)
