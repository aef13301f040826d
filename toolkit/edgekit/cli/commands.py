"""The commands: where each one is, what it does and how it is called. A module is imported when its command is used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand

from edgekit.cli.help import Command, Group, examples, write_rows

BUILD, DATA, JUDGE, SHIP, SETUP = "Build", "Data", "Evaluate and compare", "Use and ship", "Recipes and machines"


class Listed(NamedTuple):
    """A command. task: what it is listed under; path: "module:function", or of a typer app; summary: a whole sentence."""

    task: str
    path: str
    summary: str
    examples: tuple[str, str]


COMMANDS: Mapping[str, Listed] = {
    "build": Listed(
        BUILD, "build:build", "Build a small model: curate, train, compress, export, evaluate, benchmark.",
        ("edgekit build --curate iqr --quantize int8", "edgekit build --data photos/ --student auto --max-size 40KB"),
    ),
    "curate": Listed(
        BUILD, "curate:app", "Select the training samples and stop; or rank unlabeled samples.",
        ("edgekit curate --data photos/ --curate margin --budget 0.05",
         "edgekit curate --data photos/ --pool unlabeled/ --label-budget 100"),
    ),
    "train": Listed(
        BUILD, "train:train", "Select the training samples, train the student and stop.",
        ("edgekit train --student microresnet --width m --epochs 30", "edgekit train --backend jax --curate iqr"),
    ),
    "compress": Listed(
        BUILD, "compress:compress", "Prune and quantize your own Keras model, and measure the effect on your data.",
        ("edgekit compress --model model.keras --data photos/ --quantize int8",
         "edgekit compress --model model.keras --data photos/ --quantize auto --max-drop 1"),
    ),
    "data": Listed(
        DATA, "data:app", "Check a data set before you train on it.",
        ("edgekit data check photos/", "edgekit data check fashion-mnist-mini --html check.html"),
    ),
    "review": Listed(
        DATA, "review:review", "Review training samples in the browser: keep, drop or relabel them.",
        ("edgekit review runs/latest", "edgekit review runs/latest --port 8000 --no-open"),
    ),
    "evaluate": Listed(
        JUDGE, "evaluate:evaluate", "Measure the accuracy and reliability of model files on a data set.",
        ("edgekit evaluate model.tflite --data photos/", "edgekit evaluate model.onnx --split val --gate 'accuracy>=0.9'"),
    ),
    "bench": Listed(
        JUDGE, "bench:bench", "Measure the latency of model files, here or on attached devices.",
        ("edgekit bench model.tflite --threads 1,4",
         "edgekit bench model.tflite --target ssh://pi@raspberrypi.local --data photos/"),
    ),
    "gate": Listed(
        JUDGE, "gate:gate", "Check a finished run against gates, without building it again.",
        ("edgekit gate runs/latest", "edgekit gate runs/latest --gate 'size_kb<=40' --junit gates.xml"),
    ),
    "compare": Listed(
        JUDGE, "compare:compare", "Compare two runs, or two groups of runs, on the same test samples.",
        ("edgekit compare runs/a runs/b", "edgekit compare --arm-a 'runs/a-*' --arm-b 'runs/b-*'"),
    ),
    "study": Listed(
        JUDGE, "study:study", "Compare recipes over several RNG seeds at equal compute.",
        ("edgekit study study.yaml --jobs 4", "edgekit study study.yaml --resume --max-hours 8"),
    ),
    "report": Listed(
        JUDGE, "report:report", "Verify the files of a run and write its report again.",
        ("edgekit report runs/latest", "edgekit report runs/latest --json"),
    ),
    "predict": Listed(
        SHIP, "predict:predict", "Label images or audio clips with a model file, without TensorFlow.",
        ("edgekit predict model.tflite photos/", "edgekit predict runs/latest photos/ --top 3 --out labels.csv"),
    ),
    "export": Listed(
        SHIP, "export:export", "Write everything an app needs for a model into one folder.",
        ("edgekit export runs/latest --bundle android", "edgekit export model.tflite --bundle pi --data photos/"),
    ),
    "zoo": Listed(
        SHIP, "zoo:app", "Verify the ready-made models of the zoo, or add one.",
        ("edgekit zoo verify", "edgekit zoo publish runs/a runs/b --name my-model"),
    ),
    "init": Listed(
        SETUP, "init:init", "Write a recipe file with every key, its default and its description.",
        ("edgekit init", "edgekit init first.yaml --schema"),
    ),
    "schema": Listed(
        SETUP, "schema:schema", "Print the JSON schema of recipes, for editors that complete and check YAML.",
        ("edgekit schema", "edgekit schema > recipe.schema.json"),
    ),
    "list": Listed(
        SETUP, "listing:list_names", "List students, curation methods, data sources and other names.",
        ("edgekit list students", "edgekit list curations --json"),
    ),
    "devices": Listed(
        SETUP, "devices:devices", "List this machine, your targets and Android devices, with any problems.",
        ("edgekit devices", "edgekit devices --json"),
    ),
    "setup-device": Listed(
        SETUP, "setup_device:setup_device", "Install the runtime on a Linux device over SSH.",
        ("edgekit setup-device ssh://pi@raspberrypi.local", "edgekit setup-device pi --force"),
    ),
    "doctor": Listed(
        SETUP, "doctor:doctor", "Check the installation; each problem comes with the command that fixes it.",
        ("edgekit doctor", "edgekit doctor --deep"),
    ),
    "cache": Listed(
        SETUP, "cache:app", "Show the size of the stage cache, or clear it.",
        ("edgekit cache size", "edgekit cache clear"),
    ),
}  # fmt: skip


class Program(Group):
    """The program: a command's module is imported when the command is used, not to list it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Loaded(self.commands)
        self._listing = False

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if self._listing and cmd_name in COMMANDS:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name].summary)
        return super().get_command(ctx, cmd_name)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        self._listing = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._listing = False

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, COMMANDS))
        for task in dict.fromkeys(listed.task for listed in COMMANDS.values()):
            rows = [(name, listed.summary) for name, listed in COMMANDS.items() if listed.task == task]
            write_rows(formatter, task, rows, width)


class _Loaded(MutableMapping[str, Any]):
    """The commands by name, each imported when it is first used."""

    def __init__(self, others: Mapping[str, Any]) -> None:
        self._commands = dict(others)

    def __getitem__(self, name: str) -> Any:
        if name not in self._commands:
            self._commands[name] = _load(name, COMMANDS[name])
        return self._commands[name]

    def __contains__(self, name: object) -> bool:
        return name in COMMANDS or name in self._commands

    def __iter__(self) -> Iterator[str]:
        return iter({**COMMANDS, **self._commands})

    def __len__(self) -> int:
        return len({**COMMANDS, **self._commands})

    def __setitem__(self, name: str, command: Any) -> None:
        self._commands[name] = command

    def __delitem__(self, name: str) -> None:
        del self._commands[name]


def _load(name: str, listed: Listed) -> Any:
    module, _, attribute = listed.path.partition(":")
    loaded = getattr(importlib.import_module(f"edgekit.cli.{module}"), attribute)
    if isinstance(loaded, typer.Typer):
        command: Any = typer.main.get_command(loaded)
        command.name, command.epilog = name, examples(*listed.examples)
    else:
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(name, cls=Command, epilog=examples(*listed.examples))(loaded)
        command = typer.main.get_command(alone)
    # The first paragraph is that of the table; further ones are the command's own.
    _, blank, more = (command.help or "").partition("\n\n")
    command.help = listed.summary + blank + more
    return command
