"""A new kind of target is one module and one line of the registry."""

from __future__ import annotations

import sys

import pytest
from tests.conftest import REPOSITORY

import edgekit
from edgekit import registry
from edgekit.bench import devices, named
from edgekit.cli.completion import targets
from edgekit.cli.setup_device import setup_device
from edgekit.errors import EdgekitError, UsageError
from edgekit.recipe import addresses

STUDENT = REPOSITORY / "models" / "fashion-mnist-s-int8" / "model_int8.tflite"
# A board that is reached by this machine's own shell.
MODULE = """
from edgekit.bench.target import DiscoveredDevice, Target
from edgekit.bench.targets.host import Host
from edgekit.errors import UsageError


class BoardTarget(Target):
    def connect(self, endpoint):
        return Host(endpoint.address)

    def accepts(self, endpoint, plan):
        super().accepts(endpoint, plan)
        if plan.profile:
            raise UsageError(f"{endpoint.text} cannot time operators.")

    def readiness(self, endpoint, facts, runtimes):
        return "ready", None

    def discover(self, *, start=True):
        return [DiscoveredDevice(text="board:A1"), DiscoveredDevice(text="board:B2", state="asleep", fix="press its button")]

    def looked_for(self):
        return "boards"
"""


@pytest.fixture(autouse=True)
def board(tmp_path, monkeypatch):
    (tmp_path / "toy_board.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(
        registry.TARGETS, "board", registry.Entry("toy_board:BoardTarget", "a board", form="board[:SERIAL]")
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    yield
    sys.modules.pop("toy_board", None)


def test_files_are_measured_on_it_and_compared_with_this_machine(small_28_npz):
    plan = {"threads": (1,), "runs": 50, "retries": 0, "samples": 50}
    (row,) = edgekit.measure(STUDENT, targets=["board:A1"], data=small_28_npz, **plan)
    assert (row.target, row.samples) == ("board:A1", 50)
    assert row.p50_ms > 0 and row.accuracy > 0.7
    assert row.parity["holds"]


def test_what_it_does_not_take_is_refused_before():
    with pytest.raises(UsageError, match="board:A1 cannot time operators"):
        edgekit.measure(STUDENT, targets=["board:A1"], profile=True)
    with pytest.raises(UsageError, match="board has none"):
        edgekit.measure(STUDENT, targets=["board"], fixed_performance=True)
    with pytest.raises(UsageError, match="setup-device is for ssh targets; board needs none"):
        setup_device("board")


def test_its_line_says_how_it_is_written():
    assert addresses.parse("board").serial is None
    assert addresses.parse("board:A1").serial == "A1"
    with pytest.raises(
        UsageError, match=r"expected host, ssh://.*, adb\[:SERIAL\], board\[:SERIAL\], attached, or a name from"
    ):
        addresses.parse("board/A1")
    assert ("board", "a board") in targets("bo")


def test_it_is_listed_and_may_have_a_name(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    named.path().parent.mkdir()
    named.path().write_text("kitchen: {target: 'board:A1'}\n")
    (kitchen,) = named.endpoints(["kitchen"])
    assert kitchen.address.kind == "board"
    assert named.unused(["host"]) == ["kitchen"]
    assert named.unused(["board"]) == named.unused(["board:A1"]) == []
    found = {device.target: device for device in devices.devices()}
    assert list(found) == ["host", "kitchen", "board:B2"], "each once"
    assert found["kitchen"].state == "ready" and found["kitchen"].facts["cores"]
    assert (found["board:B2"].state, found["board:B2"].fix) == ("asleep", "press its button")
    assert "boards" in devices.looked_for()
    named.path().write_text("board: {target: host}\n")
    with pytest.raises(EdgekitError, match="board: the name is taken"):
        named.configured()
