"""The options: each key of a recipe that has one, in one table; and those of a run, which are not part of a recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit.cli import completion

DATA, CURATION, TRAINING, COMPRESSION = "Data", "Curation", "Student and training", "Compression"
GATES, TARGETS, RUN = "Gates", "Targets", "Run"
# In the order of --help.
PANELS = (DATA, CURATION, TRAINING, COMPRESSION, GATES, TARGETS, RUN)


@dataclass(frozen=True, slots=True)
class Option:
    """An option that sets a key of a recipe; type, choices, default and help are those of the key.

    metavar: "" = the key's choices. parse: what the recipe gets for the text, None = the text. given: what a flag stands for.
    repeated: each use adds a value.
    """

    key: str
    flag: str
    panel: str
    metavar: str = ""
    parse: Callable[[str], Any] | None = None
    given: Any = True
    repeated: bool = False
    complete: completion.Completion | None = None

    @property
    def name(self) -> str:
        """Name of the parameter."""
        return self.flag.lstrip("-").replace("-", "_")


def existing_path(spec: str) -> str:
    """A data spec as a stored recipe needs it: a path that means the same from any folder."""
    path = Path(spec).expanduser()
    return str(path.resolve()) if spec and path.exists() else spec


def number_or_auto(text: str) -> int | str:
    """ "30" -> 30; "auto" stays."""
    return int(text) if text.isascii() and text.isdigit() else text


def separate(text: str) -> list[str]:
    """ "a, b" -> ["a", "b"]."""
    return [name.strip() for name in text.split(",") if name.strip()]


def thread_counts(text: str) -> tuple[int, ...]:
    """ "1,0" -> (1, 0)."""
    from edgekit.bench.files import parse_threads

    return parse_threads(text)


TABLE = (
    Option("data.spec", "--data", DATA, "SPEC", existing_path, complete=completion.sources),
    Option("data.image_size", "--image-size", DATA, "N|HxW"),
    Option("data.skip_bad", "--skip-bad", DATA),
    Option("data.cv", "--cv", DATA, "K"),
    Option("curation.method", "--curate", CURATION, "METHOD"),
    Option("curation.variant", "--variant", CURATION, "NAME"),
    Option("curation.budget", "--budget", CURATION, "N|SHARE"),
    Option("curation.balance", "--balance", CURATION),
    Option("curation.max_edit", "--max-edit", CURATION, "SHARE", str),
    Option("curation.edit", "--edit", CURATION),
    Option("curation.folds", "--folds", CURATION, "N"),
    Option("curation.members", "--members", CURATION, "A,B", separate, complete=completion.members),
    Option("curation.trusted_val", "--trusted-val", CURATION),
    Option("curation.apply", "--apply", CURATION, "EDITS.JSONL"),
    Option("teacher.name", "--teacher", CURATION, "NAME"),
    Option("curation.repeats", "--stability", CURATION, "N"),
    Option("control", "--control", CURATION),
    Option("student.name", "--student", TRAINING, "NAME"),
    Option("student.width", "--width", TRAINING, "WIDTH"),
    Option("student.max_size", "--max-size", TRAINING, "SIZE", str),
    Option("student.weights", "--weights", TRAINING, "FILE|NAME", complete=completion.weights),
    Option("training.epochs", "--epochs", TRAINING, "N", number_or_auto),
    Option("training.batch_size", "--batch-size", TRAINING, "N", number_or_auto),
    Option("training.learning_rate", "--learning-rate", TRAINING, "RATE"),
    Option("distillation.alpha", "--distill", TRAINING, "ALPHA"),
    Option("backend", "--backend", TRAINING),
    Option("deterministic", "--deterministic", TRAINING),
    Option("pruning.sparsity", "--prune", COMPRESSION, "SHARE"),
    Option("pruning.channels", "--prune-channels", COMPRESSION, "SHARE"),
    Option("quantization.precision", "--quantize", COMPRESSION, "PRECISION"),
    Option("quantization.calibration", "--calibration", COMPRESSION, "SPEC", existing_path, complete=completion.sources),
    Option("quantization.io", "--io", COMPRESSION),
    Option("quantization.output", "--logits-output", COMPRESSION, given="logits"),
    Option("quantization.waveform", "--waveform", COMPRESSION),
    Option("gates", "--gate", GATES, "DEMAND", repeated=True),
    Option("max_drop", "--max-drop", GATES, "POINTS"),
    Option("operating.coverage", "--coverage", GATES, "SHARE"),
    Option("operating.risk", "--risk", GATES, "SHARE"),
    Option("bench.targets", "--target", TARGETS, "TARGET", repeated=True, complete=completion.targets),
    Option("bench.threads", "--threads", TARGETS, "N,N", thread_counts),
    Option("bench.runs", "--runs", TARGETS, "N"),
    Option("bench.affinity", "--affinity", TARGETS, "big|little|MASK"),
    Option("bench.delegate", "--delegate", TARGETS),
    Option("bench.samples", "--samples", TARGETS, "N"),
    Option("bench.retries", "--retries", TARGETS, "N"),
    Option("bench.profile", "--profile", TARGETS),
    Option("bench.fixed_performance", "--fixed-performance", TARGETS),
    Option("bench.runner", "--runner", TARGETS, "FILE"),
    Option("bench.runner_sha256", "--runner-sha256", TARGETS, "HEX"),
    Option("bench.libraries", "--library", TARGETS, "FILE", repeated=True),
    Option("bench.timeout_s", "--timeout", TARGETS, "SECONDS"),
    Option("seed", "--seed", RUN, "N"),
)  # fmt: skip


def keys(*panels: str) -> tuple[str, ...]:
    """The keys of these panels."""
    return tuple(option.key for option in TABLE if option.panel in panels)


def of(*wanted: str) -> tuple[Option, ...]:
    """The options of these keys."""
    known = {option.key: option for option in TABLE}
    return tuple(known[key] for key in wanted)


RecipeFile = Annotated[
    Path | None,
    typer.Option("--recipe", metavar="FILE", help="Recipe in YAML; options override it.", rich_help_panel=RUN),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Set any key of the recipe, e.g. training.warmup=0.2. [repeatable]",
        rich_help_panel=RUN,
    ),
]  # fmt: skip
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Run folder. By default a new one in runs/.", rich_help_panel=RUN),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Replace the run in --out; files you changed there are kept.", rich_help_panel=RUN),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Continue an unfinished run: the one in --out, or the newest in runs/.", rich_help_panel=RUN
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the results as a single JSON document.", rich_help_panel=RUN)]
Junit = Annotated[
    Path | None,
    typer.Option(
        "--junit", metavar="FILE.xml", help="Write gates and integrity checks as JUnit XML, also if the command fails.",
        rich_help_panel=RUN,
    ),
]  # fmt: skip
Summary = Annotated[
    Path | None,
    typer.Option(
        "--summary", metavar="FILE.md", rich_help_panel=RUN,
        help="Write files, gates and verdict as Markdown. In a GitHub workflow, the step summary has them anyway.",
    ),
]  # fmt: skip
Files = Annotated[list[Path], typer.Argument(help="Classifiers: .tflite or .onnx files.", metavar="FILE")]
SplitName = Annotated[
    str,
    typer.Option("--split", metavar="train|val|cal|test", help="Part of the data set to use.", rich_help_panel=DATA),
]
InputRange = Annotated[
    str,
    typer.Option(
        metavar="0-1|0-255|signed", help="Range of pixel values that the files expect; signed means -1 to 1.",
        rich_help_panel=DATA,
    ),
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What every command that starts a run accepts besides the keys of its recipe."""

    recipe: RecipeFile = None
    set_: Settings = None
    out: Out = None
    force: Force = False
    resume: Resume = False
    as_json: Json = False
