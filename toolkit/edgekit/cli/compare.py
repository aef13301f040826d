"""edgekit compare: two finished runs file by file, or two recipes over several RNG seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli.options import Json
from edgekit.errors import UsageError

Runs = Annotated[list[Path] | None, typer.Argument(metavar="RUN_A RUN_B", help="Two run folders.")]
Artifact = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Compare only this file, e.g. model_int8.tflite. With arms, by default the file that ships.",
    ),
]
ArmA = Annotated[
    list[str] | None,
    typer.Option("--arm-a", metavar="RUN", help="Run of recipe A, or a pattern such as 'runs/a-*'. [repeatable]"),
]
ArmB = Annotated[
    list[str] | None, typer.Option("--arm-b", metavar="RUN", help="Run of recipe B, likewise. [repeatable]")
]
Metric = Annotated[
    list[str] | None,
    typer.Option(
        "--metric", metavar="NAME", help="Metric to judge the arms by. [repeatable; default: accuracy, augrc]"
    ),
]


def compare(
    runs: Runs = None,
    artifact: Artifact = None,
    arm_a: ArmA = None,
    arm_b: ArmB = None,
    metric: Metric = None,
    as_json: Json = False,
) -> None:
    """Compare runs on the same test samples.

    RUN_A RUN_B compares two runs, --arm-a and --arm-b several RNG seeds of two recipes.
    """
    from edgekit.report import compared

    if bool(runs) == bool(arm_a or arm_b) or (runs and (len(runs) != 2 or metric)) or bool(arm_a) != bool(arm_b):
        raise UsageError("Give two run folders, or --arm-a and --arm-b (optionally with --metric).")
    if runs:
        comparison = compared.runs(runs[0], runs[1], artifact)
    else:
        comparison = compared.arms(
            _folders(arm_a or []), _folders(arm_b or []), metric or ("accuracy", "augrc"), artifact
        )
    if as_json:
        typer.echo(json.dumps(comparison, indent=2, allow_nan=False))
        return
    typer.echo(f"recipes differ in: {', '.join(comparison['recipes_differ_in']) or 'nothing'}")
    if comparison.get("uneven"):
        typer.echo(f"classes are uneven: {comparison['uneven']}")
    for row in comparison.get("comparisons", ()):
        _print(row, bool(comparison["uneven"]))
    if "verdicts" in comparison:
        sizes = {arm: len(comparison[arm]) for arm in ("a", "b")}
        typer.echo(f"a: {sizes['a']} runs ({', '.join(arm_a or [])}); b: {sizes['b']} runs ({', '.join(arm_b or [])})")
    for row, sentence in zip(comparison.get("verdicts", ()), comparison.get("sentences", ()), strict=True):
        typer.echo(sentence)
        for reason in row["excluded"]:
            typer.echo(f"  excluded: {reason}")
        if row["next"]:
            typer.echo(f"  next step: {row['next']}")
    if comparison.get("comparisons"):
        typer.echo(
            "This holds for these files only: no evidence about their recipes (1 seed); next step: `edgekit study FILE.yaml`."
        )


def _folders(patterns: list[str]) -> list[Path]:
    """The folders of an arm; a run named twice counts once."""
    folders: dict[Path, None] = {}
    for pattern in patterns:
        matches = [Path(pattern)] if Path(pattern).is_dir() else _matches(Path(pattern).expanduser())
        if not matches:
            raise UsageError(f"{pattern} is neither a run folder nor a pattern that matches any.")
        folders |= {match: None for match in matches if match.is_dir()}
    if not folders:
        raise UsageError(f"{', '.join(patterns)}: no folder among the matches; expected run folders.")
    return list(folders)


def _matches(pattern: Path) -> list[Path]:
    return sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))


def _print(row: Mapping[str, Any], uneven: bool) -> None:
    """One pair of files: the sentence, then A - B in each metric."""
    typer.echo(f"{row['files']}, n = {row['n']:,}, same answer for {row['agreement']:.2%}")
    typer.echo(f"  accuracy {row['accuracy_a']:.4f} against {row['accuracy_b']:.4f}")
    if uneven or "balanced_accuracy" in row["differences"]:
        typer.echo(f"  balanced accuracy {row['balanced_accuracy_a']:.4f} against {row['balanced_accuracy_b']:.4f}")
        typer.echo(f"  macro F1 {row['macro_f1_a']:.4f} against {row['macro_f1_b']:.4f}")
    for metric, d in row["differences"].items():
        typer.echo(f"  {metric:<17} {d['effect']:+.4f}  (95 % interval {d['lower']:+.4f} to {d['upper']:+.4f})")
