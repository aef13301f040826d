"""Shell completion, asked as a shell asks: through the environment, of the whole program."""

import os
import subprocess
import sys

import pytest
from tests.commands import edgekit

from edgekit import registry

PROGRAM = "import sys; sys.argv = ['edgekit']; from edgekit.cli.app import main; main()"


def asked(words, tmp_path):
    return {
        "_EDGEKIT_COMPLETE": "complete_bash",
        "COMP_WORDS": f"edgekit {words}",
        "COMP_CWORD": str(len(words.split()) if not words.endswith(" ") else len(words.split()) + 1),
        "XDG_CONFIG_HOME": str(tmp_path),
    }


def completed(words, tmp_path):
    done = edgekit(env=asked(words, tmp_path))
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("build --curate kn", {"knn-shapley", "knn-agreement"}),
        ("build --student res", {"rescnn", "resnet8"}),
        ("curate --members margin,tra", {"margin,tracin", "margin,trak"} & {f"margin,{n}" for n in registry.CURATIONS}),
        ("build --quantize int8", {"int8", "int8-qat"}),
        ("build --data fashion", {"fashion-mnist", "fashion-mnist-mini"}),
    ],
)
def test_names_of_the_registry(words, expected, tmp_path):
    found = completed(words, tmp_path)
    assert expected <= set(found)
    assert all(name.startswith(words.split()[-1]) for name in found)


def test_commands_in_a_process_of_the_shells(tmp_path):
    env = os.environ | asked("doc", tmp_path)
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=env, timeout=120)
    assert (done.returncode, done.stdout.split()) == (0, ["doctor"]), done.stderr


def test_targets_of_ones_own(tmp_path):
    (tmp_path / "edgekit").mkdir()
    (tmp_path / "edgekit/targets.yaml").write_text("pi: {target: 'ssh://pi@raspberrypi.local'}\n")
    assert completed("build --target p", tmp_path) == ["pi"]
    (tmp_path / "edgekit/targets.yaml").write_text("pi: [")
    assert completed("build --target ho", tmp_path) == ["host"]


def test_help_offers_the_installation():
    assert "--install-completion" in edgekit("--help").stdout
