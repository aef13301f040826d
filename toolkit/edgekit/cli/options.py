"""Options that several commands share, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit import registry
from edgekit.cli import completion


def _names(table: str) -> str:
    return ", ".join(registry.TABLES[table][1])


Data = Annotated[
    str | None,
    typer.Option(
        help="A named set, a folder of images by class, a CSV, IDX folder or .npz, hf:NAME or tfds:NAME; default: the "
        "shipped images.",
        autocompletion=completion.sources,
    ),
]
ImageSize = Annotated[str | None, typer.Option(metavar="N|HxW", help="Resize all images, to N x N or H x W.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave unreadable files out, and say which.")]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help="A YAML recipe; options here override it.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any recipe value, e.g. training.epochs=30.")
]
Curate = Annotated[
    str | None,
    typer.Option(help=f"Curation method: {_names('curations')}.", autocompletion=completion.names("curations")),
]
Budget = Annotated[
    float | None,
    typer.Option(
        help="Samples to edit: a count (1 or more), or a share below 1; default: the method's own cut or the noise estimate."
    ),
]
Folds = Annotated[
    int | None, typer.Option(help="Networks for out-of-fold probabilities; default 5, fewer where a class is rarer.")
]
Balance = Annotated[bool, typer.Option("--balance", help="Edit the same share of each class: keeps the class prior.")]
MaxEdit = Annotated[
    str | None,
    typer.Option("--max-edit", metavar="SHARE", help="The most edits, such as 1% (the data-centric protocol)."),
]
EditKind = Annotated[
    str | None, typer.Option("--edit", help="What happens to a chosen sample: drop (default), relabel or weight.")
]
Members = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="Members of --curate consensus, by name.", autocompletion=completion.members),
]
TrustedVal = Annotated[
    bool,
    typer.Option("--trusted-val", help="The validation labels were checked: methods that read them may be trusted."),
]
Apply = Annotated[
    Path | None, typer.Option("--apply", metavar="EDITS.JSONL", help="Edits by hand that override the method's.")
]
Variant = Annotated[str | None, typer.Option(help="A method's variant, e.g. min, mean or self of tracin.")]
StudentName = Annotated[
    str | None,
    typer.Option(
        "--student",
        help=f"The network that ships: {_names('students')}; or auto, by image size and --max-size.",
        autocompletion=completion.names("students", "auto"),
    ),
]
Width = Annotated[
    str | None, typer.Option(metavar="W", help="Width of a student that has widths, such as xs, s, m or l.")
]
MaxSize = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Most bytes of the shipped file, such as 40KB; --student auto chooses by it."),
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help=f"Start the student from a .keras or .h5 file, or from public weights: {', '.join(registry.PUBLIC_WEIGHTS)}.",
    ),
]
Distill = Annotated[
    float | None,
    typer.Option(metavar="ALPHA", help="Learn from the teacher's outputs as well: its share of the loss, such as 0.7."),
]
TeacherName = Annotated[
    str | None,
    typer.Option(
        "--teacher",
        help=f"The network whose view of each sample curates: {_names('teachers')}.",
        autocompletion=completion.names("teachers"),
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(help=f"Training backend: {_names('backends')}.", autocompletion=completion.names("backends")),
]
Seed = Annotated[int | None, typer.Option(help="RNG seed of splits, training and draws; default 42.")]
Deterministic = Annotated[bool, typer.Option("--deterministic", help="The same weights every time (slower).")]
Out = Annotated[Path | None, typer.Option(help="The run folder; default: a new one under runs/.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the run in --out; files you changed there stay.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an unfinished run: --out, or the newest under runs/.")]
Files = Annotated[list[Path], typer.Argument(help=".tflite or .onnx classifiers.", metavar="FILE...")]
SplitName = Annotated[str, typer.Option("--split", help="train, val, cal or test.")]
InputRange = Annotated[
    str, typer.Option(help="The values that the files take pixels as: 0-1, 0-255 or signed (-1 to 1).")
]
Target = Annotated[
    list[str] | None,
    typer.Option(
        help="host, ssh://[user@]host[:port], adb[:SERIAL], a name of targets.yaml, or attached; may be repeated. Default: host.",
        autocompletion=completion.targets,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout.")]
