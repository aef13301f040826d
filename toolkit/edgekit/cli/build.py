"""edgekit build: recipe in, run folder out; and what its sister commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit import registry
from edgekit.cli import completion
from edgekit.cli import options as o
from edgekit.cli.console import Console
from edgekit.cli.outlets import GateOption, Junit, Summary, Told, outlets
from edgekit.errors import GateNotMet, RecipeError, TargetError, UsageError
from edgekit.types import Report

if TYPE_CHECKING:
    from edgekit.recipe import Recipe

Prune = Annotated[float | None, typer.Option(help="Share of zero weights after magnitude pruning, e.g. 0.5.")]
PruneChannels = Annotated[
    float | None, typer.Option(help="Share of channels to remove physically, e.g. 0.5: a smaller, faster network.")
]
Quantize = Annotated[
    str | None,
    typer.Option(
        help=f"Precision of the shipped file: {', '.join(registry.PRECISIONS)}; default: int8.",
        autocompletion=completion.names("precisions"),
    ),
]
Calibration = Annotated[
    str | None,
    typer.Option(metavar="SPEC", help="Data to calibrate int8 on, without labels; default: the curated training set."),
]
Io = Annotated[
    str | None, typer.Option(help="Input and output type of an int8 file: int8 (default), uint8 or float32.")
]
LogitsOutput = Annotated[
    bool,
    typer.Option(
        "--logits-output", help="Files end at the logits, which rank finer than the 256 levels of an int8 softmax."
    ),
]
Waveform = Annotated[
    bool, typer.Option("--waveform", help="Also ship a file with the audio front end inside, which takes the waveform.")
]
Control = Annotated[
    bool, typer.Option("--control", help="Also train on as many samples dropped at random, and compare.")
]
MaxDrop = Annotated[
    float | None, typer.Option(metavar="PP", help="Most accuracy points that quantization may cost (on validation).")
]
Coverage = Annotated[
    float | None,
    typer.Option(help="Share of answers to accept: what the operating threshold is chosen for; default 0.9."),
]
Risk = Annotated[
    float | None, typer.Option(help="Choose the threshold for this share of errors among accepted answers instead.")
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Print the recipe, what data it finds, and the stages with what they took before."),
]


def build(
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
    student: o.StudentName = None,
    width: o.Width = None,
    max_size: o.MaxSize = None,
    weights: o.Weights = None,
    distill: o.Distill = None,
    teacher: o.TeacherName = None,
    prune: Prune = None,
    prune_channels: PruneChannels = None,
    backend: o.Backend = None,
    target: o.Target = None,
    quantize: Quantize = None,
    io: Io = None,
    logits_output: LogitsOutput = False,
    waveform: Waveform = False,
    calibration: Calibration = None,
    control: Control = False,
    gate: GateOption = None,
    max_drop: MaxDrop = None,
    coverage: Coverage = None,
    risk: Risk = None,
    seed: o.Seed = None,
    deterministic: o.Deterministic = False,
    out: o.Out = None,
    force: o.Force = False,
    dry_run: DryRun = False,
    resume: o.Resume = False,
    junit: Junit = None,
    summary: Summary = None,
    as_json: o.Json = False,
) -> None:
    """Build a small model: curate, train, prune, quantize, export, evaluate, benchmark, report."""
    values = curation(
        data, curate, teacher, seed, variant=variant, budget=budget, balance=balance, max_edit=max_edit, edit=edit,
        folds=folds, members=members, trusted_val=trusted_val, apply=apply,
    ) | training(student, width, max_size, weights, distill, backend, deterministic) | reading(image_size, skip_bad) | {
        "pruning.sparsity": prune,
        "pruning.channels": prune_channels,
        "quantization.calibration": resolved(calibration),
        "bench.targets": target or None,
        "quantization.precision": quantize,
        "quantization.io": io,
        "quantization.output": "logits" if logits_output else None,
        "quantization.waveform": waveform or None,
        "control": control or None,
        "gates": gate or None,
        "max_drop": max_drop,
        "operating.coverage": coverage,
        "operating.risk": risk,
    }  # fmt: skip
    if dry_run:
        if junit or summary:
            raise UsageError("--junit and --summary tell what a build found, and --dry-run builds nothing.")
        run("report", recipe, set_, values, out, force=force, resume=resume, dry_run=True, as_json=as_json)
        return
    with outlets("build", str(out or "a new run"), gate or (), junit, summary) as told:
        run("report", recipe, set_, values, out, force=force, resume=resume, as_json=as_json, told=told)


def curation(
    data: str | None,
    method: str | None,
    teacher: str | None,
    seed: int | None,
    *,
    variant: str | None,
    budget: float | None,
    balance: bool,
    max_edit: str | None,
    edit: str | None,
    folds: int | None,
    members: str | None,
    trusted_val: bool,
    apply: Path | None,
) -> dict[str, Any]:
    """The recipe values behind the curation options; None where an option was not given."""
    return {
        "data.spec": resolved(data),
        "curation.method": method,
        "curation.variant": variant,
        "curation.budget": budget,
        "curation.balance": balance or None,
        "curation.max_edit": None if max_edit is None else share_of(max_edit),
        "curation.edit": edit,
        "curation.folds": folds,
        "curation.members": None if members is None else [name.strip() for name in members.split(",") if name.strip()],
        "curation.trusted_val": trusted_val or None,
        "curation.apply": None if apply is None else str(apply.expanduser().resolve()),
        "teacher.name": teacher,
        "seed": seed,
    }


def resolved(spec: str | None) -> str | None:
    """A data spec as a stored recipe needs it: a path that means the same from any folder."""
    if spec and Path(spec).expanduser().exists():
        return str(Path(spec).expanduser().resolve())
    return spec


def share_of(text: str) -> float:
    """ "1%" or "0.01" -> 0.01. Raises UsageError."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise UsageError(f"--max-edit is a share such as 1% or 0.01, found {text!r}.")
    return share


def reading(image_size: str | None, skip_bad: bool) -> dict[str, Any]:
    """The recipe values behind the options on how files are read; None where an option was not given."""
    return {"data.image_size": image_size, "data.skip_bad": skip_bad or None}


def training(
    student: str | None,
    width: str | None,
    max_size: str | None,
    weights: Path | None,
    distill: float | None,
    backend: str | None,
    deterministic: bool,
) -> dict[str, Any]:
    return {
        "student.name": student,
        "student.width": width,
        "student.max_size": max_size,
        "student.weights": None if weights is None else str(weights.expanduser().resolve()),
        "distillation.alpha": distill,
        "backend": backend,
        "deterministic": deterministic or None,
    }


def run(
    until: Any,
    recipe_file: Path | None,
    settings: list[str] | None,
    values: dict[str, Any],
    out: Path | None,
    *,
    force: bool,
    resume: bool,
    dry_run: bool = False,
    as_json: bool = False,
    told: Told | None = None,
) -> None:
    """Load the recipe, build until `until` and print what came of it; `told` hears of its gates and its report."""
    from edgekit import recipe as recipes
    from edgekit.evidence import gates

    if force and resume:
        raise UsageError("--force replaces a run and --resume continues it; give one of them.")
    asked = recipes.load(recipe_file, settings or [], values)
    if resume:
        out = out or _newest_unfinished()
        given = recipe_file is not None or bool(settings) or any(value is not None for value in values.values())
        asked = _ofrun(out, asked if given else None)
    for demand in asked.gates:
        gates.parse(demand)
    if told is not None:
        told.add(unjudged=asked.gates)
    if dry_run:
        _show_plan(asked, as_json)
        return
    out = out or _new_folder(asked)
    if told is not None:
        told.add(subject=str(out))
    from edgekit import pipeline
    from edgekit.cli import summary

    try:
        with Console() as reporter:
            report = pipeline.build(asked, out, resume=resume, force=force, until=until, reporter=reporter)
    except (GateNotMet, TargetError) as missed:
        if isinstance(missed.report, Report):
            summary.print_report(missed.report.document, missed.report.path, as_json)
        raise
    if report is None:
        summary.print_stage(out, until, as_json)
    else:
        summary.print_report(report.document, report.path, as_json)
        if told is not None:
            told.report(report)


def _show_plan(recipe: Recipe, as_json: bool) -> None:
    from dataclasses import asdict

    from edgekit import data, planning
    from edgekit.evidence import gates

    dataset = data.load_section(recipe.data, recipe.seed)
    sizes = {part: len(getattr(dataset, part)) for part in ("train", "val", "cal", "test")}
    gates.check_classes(recipe.gates, dataset.classes, dataset.val.y)
    steps = planning.plan(recipe, dataset)
    if as_json:
        document = {"recipe": recipe.model_dump(mode="json"), "source": dataset.source, "sizes": sizes}
        typer.echo(json.dumps(document | {"plan": [asdict(step) for step in steps]}, indent=2))
        return
    typer.echo(
        recipe.to_yaml() + f"# data: {dataset.source}; " + ", ".join(f"{n:,} {part}" for part, n in sizes.items())
    )
    for line in planning.told(steps):
        typer.echo(f"# {line}".rstrip())


def _new_folder(recipe: Recipe) -> Path:
    """runs/<time>-<data>-<curation>-<precision>: sorts by age and says what it is."""
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
            if folder.is_symlink():  # runs/latest, which is here under its own name
                continue
            if json.loads((folder / "manifest.json").read_text())["status"] != "complete":
                return folder
        except (OSError, ValueError, KeyError):
            continue
    raise UsageError("No unfinished run under runs/; name one with --out.")


def _ofrun(folder: Path, asked: Recipe | None) -> Recipe:
    """The recipe of the run to continue; options that say otherwise are refused, so a resumed run is what it claims."""
    from edgekit import recipe as recipes

    try:
        text = json.loads((folder / "manifest.json").read_text())["recipe"]
    except (OSError, ValueError, KeyError):
        raise UsageError(f"{folder} holds no run of edgekit to continue; start one without --resume.") from None
    stored = recipes.from_yaml(text)
    if asked and (changed := recipes.differences(stored, asked)):
        raise RecipeError(
            f"--resume continues {folder} with its own recipe, which differs in {', '.join(changed)}. "
            "Leave the options out, or start a new run (finished stages come from the cache)."
        )
    return stored
