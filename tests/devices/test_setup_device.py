"""edgekit setup-device: a runtime on a machine that has none, by its own Python and without its network."""

from __future__ import annotations

import pytest
from tests.devices.vm import Machine

from edgekit.bench import setup
from edgekit.bench.targets import ssh
from edgekit.cli.setup_device import setup_device
from edgekit.errors import TargetError, UsageError
from edgekit.recipe import addresses
from edgekit.types import Silent

pytestmark = pytest.mark.device

IMPORT = "-c 'import ai_edge_litert.interpreter as i, numpy; print(i.Interpreter.__name__)'"


def connect(user: str) -> ssh.Ssh:
    return ssh.connect(addresses.parse(f"ssh://{user}"))


def test_a_runtime_is_installed_once_and_then_used(machine: Machine, capsys):
    assert connect("bare").python == "/opt/bare/python3"
    setup_device("ssh://bare")
    assert capsys.readouterr().out.startswith("ssh://bare: ai-edge-litert 2.3")
    bare = connect("bare")
    assert bare.python == "/home/bare/.local/share/edgekit/venv/bin/python"
    assert machine.shell(f"{bare.python} {IMPORT}", user="bare") == "Interpreter\n"
    assert machine.shell("ls -A .local/share/edgekit; ls -A .cache/edgekit", user="bare") == "venv\n"
    setup_device("ssh://bare")
    assert capsys.readouterr().out.startswith("ssh://bare: already has a runtime; --force")


def test_what_stands_in_the_way_is_said(machine: Machine):
    machine.shell("mkdir -p .local/share/edgekit/venv", user="full")  # an older one, which stays
    with pytest.raises(
        TargetError, match=r"No space left on ssh://full for the runtime: it needs \d+ MB, 2 MB are free"
    ):
        setup.install(connect("full"), Silent(), force=True)
    with pytest.raises(TargetError, match="ssh://nopython has no Python: `sudo apt install python3"):
        setup.install(connect("nopython"), Silent())
    with pytest.raises(UsageError, match="setup-device is for ssh targets"):
        setup_device("host")
    assert machine.shell("ls .local/share/edgekit; ls -A .cache/edgekit; rm -r .local", user="full") == "venv\n"
    assert machine.shell("ls -d .local 2>/dev/null || true", user="nopython") == ""
