"""What --help shows, as a reader sees it at 100 columns, and how little it costs."""

import contextlib
import io
import shlex
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from edgekit.cli.app import app
from edgekit.cli.commands import COMMANDS
from edgekit.cli.help import PANELS

COMMAND = typer.main.get_command(app)


def below(command, name):
    yield name, command
    for each in getattr(command, "commands", {}):
        yield from below(command.commands[each], f"{name} {each}")


ALL = dict(below(COMMAND, "edgekit"))


def shown(name):
    """The help at 100 columns; typer's own runner has 80."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
        patch.setenv("COLUMNS", "100")
        assert not COMMAND.main([*name.split()[1:], "--help"], prog_name="edgekit", standalone_mode=False)
    return out.getvalue()


def examples(name):
    return [line.strip() for line in shown(name).partition("\nExamples:\n")[2].splitlines()]


def test_commands_are_grouped_by_task_in_whole_sentences():
    text = shown("edgekit")
    assert "..." not in text.partition("Build:")[2]
    for name, listed in COMMANDS.items():
        assert f"{listed.task}:\n" in text
        assert f"  {name:<12}  {listed.summary}\n" in text, "on one line of 100 columns"
        assert listed.summary.endswith(".") and listed.summary[0].isupper()


def test_the_options_of_build_are_in_panels():
    text = shown("edgekit build")
    heads = [line.rstrip(":") for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert heads == [*PANELS, "Examples"]
    assert max(map(len, text.splitlines())) <= 100
    for line in ("--max-edit SHARE", "--epochs N", "--edit drop|relabel|weight", "--gate DEMAND", "--data SPEC"):
        assert f"  {line} " in text
    assert "<str>" not in text and "<float>" not in text


@pytest.mark.parametrize("name", ALL)
def test_help_has_no_bare_types_and_ends_with_two_examples(name):
    text = shown(name)
    assert not {"<str>", "<int>", "<float>", "<path>", "TEXT..."} & set(text.split())
    found = examples(name)
    assert len(found) == 2 and text.rstrip().endswith(found[-1])
    for line in found:
        words = shlex.split(line.partition(" > ")[0])
        command, rest = COMMAND, words[1:]
        while rest and rest[0] in getattr(command, "commands", {}):
            command, rest = command.commands[rest[0]], rest[1:]
        assert words[: len(name.split()[:2])] == name.split()[:2]
        command.make_context(command.name, rest)


@pytest.mark.parametrize("name", ["edgekit build", "edgekit train", "edgekit curate"])
def test_examples_of_builds_can_be_planned(name, tmp_path, shipped):
    """Their recipes load; a folder that is none of this machine's is replaced by the shipped images."""
    for line in examples(name):
        words = shlex.split(line.replace("photos/", "fashion-mnist-mini"))[2:]
        if "--pool" in words or "jax" in words:
            continue
        done = CliRunner().invoke(app, ["build", "--dry-run", *words])
        assert done.exit_code == 0, (line, done.output, done.exception)


def test_listing_the_commands_imports_none_of_them():
    code = "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
    code += "from edgekit.cli.app import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.split())
    assert not {"pydantic", "numpy", "yaml", "rich", "edgekit.recipe", "edgekit.cli.build", "edgekit.types"} & loaded


def test_a_misspelled_command_gets_the_closest_one():
    done = CliRunner().invoke(app, ["biuld"])
    assert done.exit_code == 2 and "'build'" in done.output
