"""The process that starts the runs: what is told when it dies, and that it goes quietly when nobody listens."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from edgekit.study.engines.forks import Forks

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="runs are forked on Linux alone")


def ended(forks):
    give_up = time.monotonic() + 60
    while not (found := forks.ended(wait_s=1)):
        assert time.monotonic() < give_up
    return found


@LINUX
def test_a_server_that_cannot_import_tells_why(tmp_path, capfd):
    # A module of this name stands before the real one.
    (tmp_path / "tensorflow.py").write_text("raise ImportError('no wheel for this processor')\n")
    forks = Forks({"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])})
    forks.start(tmp_path, "a-1")
    outcomes = ended(forks)
    assert outcomes == {
        "a-1": "was lost with the process that starts the runs, which ended with status 1 (ImportError: no wheel for this "
        "processor)"
    }
    assert not forks.pids and "Traceback" not in capfd.readouterr().err


def test_a_server_that_is_killed_is_reported_with_its_signal(tmp_path):
    forks = Forks({})
    forks.start(tmp_path, "a-1")
    os.kill(forks._server.pid, signal.SIGKILL)
    assert ended(forks)["a-1"].endswith("was killed by signal 9")


@LINUX
def test_a_server_whose_client_is_gone_ends_without_a_word(tmp_path):
    """The pipe to it is closed while a run is asked for, as by `kill -9` of the study."""
    # Without the imports, so that it is quick; the run ends at once, since it has no recipe.
    code = "from edgekit.study.engines import forks; forks._import_everything = lambda: None; forks.serve()"
    (tmp_path / "jobs/a-1").mkdir(parents=True)
    server = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    server.stdout.close()
    server.stdin.write(json.dumps({"out": str(tmp_path), "name": "a-1", "core": None}).encode() + b"\n")
    server.stdin.flush()
    assert server.wait(timeout=60) == 0
    assert server.stderr.read() == b""
    server.stdin.close()
    server.stderr.close()
