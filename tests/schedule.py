"""What the processes of one test run share: a cache, one arm64 machine, and an order in which the longest files come first.

The tests of a file go to one process, and all files that boot the machine to one too. How long a file takes is in durations.json;
`make durations` runs all tests and writes it anew.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from tests import once

DURATIONS = Path(__file__).with_name("durations.json")
# The files whose tests ask for the fixture `machine`: they are one unit of work.
_BOOTING = {
    f"tests/devices/test_{name}.py" for name in ("bench", "bundle", "parity", "setup_device", "ssh", "workspace")
}

_seconds: dict[str, float] = {}
_shared: list[tempfile.TemporaryDirectory[str]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-durations", action="store_true", help=f"write {DURATIONS.name} for the files that ran")


def pytest_configure(config: pytest.Config) -> None:
    """Before any fixture, and before the other processes begin, which inherit it."""
    if not hasattr(config, "workerinput"):
        _shared.append(once.begin())


def pytest_unconfigure() -> None:
    while _shared:
        _shared.pop().cleanup()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Whatever --dist says. xdist's own groups of marked tests do nothing with the installed pytest, which renames no test."""
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _unit(nodeid)

    config.option.loadscopereorder = False
    return Files(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    devices = [item for item in items if item.nodeid.startswith("tests/devices/")]
    boots = {_file(item.nodeid) for item in devices if "machine" in item.fixturenames}
    if strange := boots - _BOOTING:
        raise pytest.UsageError(f"to be added to tests/schedule.py, since it boots the arm64 machine: {min(strange)}")
    known = json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}
    seconds: dict[str, float] = {}
    for file in {_file(item.nodeid) for item in items}:
        seconds[_unit(file)] = seconds.get(_unit(file), 0.0) + known.get(file, 0.0)
    # Stable: what takes as long stays as it was collected, and the tests of a file in their order.
    items.sort(key=lambda item: -seconds[_unit(item.nodeid)])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    file = _file(report.nodeid)
    _seconds[file] = _seconds.get(file, 0.0) + report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--write-durations") and not hasattr(session.config, "workerinput"):
        before = json.loads(DURATIONS.read_text()) if DURATIONS.exists() else {}
        known = {file: seconds for file, seconds in before.items() if (session.config.rootpath / file).exists()}
        known |= {file: round(seconds, 1) for file, seconds in _seconds.items()}
        DURATIONS.write_text(json.dumps(dict(sorted(known.items(), key=lambda each: -each[1])), indent=1) + "\n")


def _file(nodeid: str) -> str:
    return nodeid.split("::")[0]


def _unit(nodeid: str) -> str:
    file = _file(nodeid)
    return "arm64" if file in _BOOTING else file
