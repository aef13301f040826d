"""edgekit review as a process: the address it prints, and how Ctrl-C ends it."""

import json
import os
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from tests.commands import edgekit
from typer.testing import CliRunner

from edgekit.cli.app import app


@pytest.fixture
def run(tmp_path):
    y = np.tile([0, 1], 40)
    x = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 1), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x[:8], y_test=y[:8])
    folder = tmp_path / "run"
    done = CliRunner().invoke(app, ["curate", "--data", str(tmp_path / "data.npz"), "--out", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


def ended(process, number=signal.SIGINT):
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors and "Interrupted" not in errors
    return out


def started(run, *options):
    process = subprocess.Popen(
        [sys.executable, "-m", "edgekit", "review", str(run), "--no-open", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": ""},
    )  # fmt: skip
    line = process.stdout.readline()
    assert line.startswith("http://127.0.0.1:"), process.communicate(timeout=60)[1]
    return process, line.split()[0]


def test_ctrl_c_ends_with_how_to_use_the_file(run):
    process, url = started(run)
    with urllib.request.urlopen(f"{url}samples") as answer:
        name = json.loads(answer.read())["rows"][0]["id"]
    request = urllib.request.Request(f"{url}decide", json.dumps({"id": name, "action": "drop"}).encode())
    request.add_header("Content-Type", "application/json")
    request.add_header("Origin", url.rsplit("/", 2)[0])
    urllib.request.urlopen(request).close()
    printed = ended(process).strip()
    edits = run / "curation/edits.jsonl"
    assert (
        printed
        == f"1 decision in {edits}. To use them: edgekit curate --recipe {run}/recipe.yaml --apply {edits} --out DIR"
    )
    assert edits.read_text() == f'{{"action":"drop","id":"{name}"}}\n'


def test_a_review_without_a_decision_leaves_no_file(run):
    process, _ = started(run)
    assert ended(process, signal.SIGTERM).strip() == "No decisions were made."
    assert not (run / "curation/edits.jsonl").exists()


def test_a_folder_without_a_curation_is_a_usage_error(tmp_path):
    done = edgekit("review", tmp_path, "--no-open")
    assert done.returncode == 2
    assert "contains no curation to review" in done.stderr
