import json
import shutil

import pytest
from tests.conftest import REPOSITORY

from edgekit.bundle import subject
from edgekit.bundle.measured import measured
from edgekit.errors import IntegrityError

NAME = "model_int8.tflite"


def row(target, threads, verdict, reason=None, emulated=False):
    latency = {"artifact": NAME, "target": target, "threads": threads, "p50_ms": 1.23456}
    return latency | {"verdict": verdict, "invalid_reason": reason, "emulated": emulated}


@pytest.fixture
def bundled(tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(REPOSITORY / "models/fashion-mnist-s-int8", folder)
    return subject.read(folder, "pi")


def report(bundled, measurements):
    evaluations = [
        {"artifact": NAME, "split": "test", "accuracy": 0.92125, "n": 1200},
        {"artifact": NAME, "split": "val", "accuracy": 0.5, "n": 10},
        {"artifact": "model_float32.tflite", "split": "test", "accuracy": 0.1, "n": 1200},
    ]
    document = {"evaluations": evaluations, "measurements": measurements, "dataset": {"noun": "images"}}
    (bundled.origin / "report.json").write_text(json.dumps(document))


def test_nothing_is_told_of_a_file_without_a_report(bundled):
    assert measured(bundled) == ()


def test_a_latency_is_reported_with_its_verdict_and_an_invalid_one_is_not_quoted(bundled):
    report(
        bundled, [row("host", 1, "valid"), row("host", 2, "suspect", "no governor"), row("adb", 1, "invalid", "hot")]
    )
    assert measured(bundled) == (
        "92.12 % of 1,200 test images correct.",
        "Latency on host with 1 thread: 1.23 ms (median), valid.",
        "Latency on host with 2 threads: 1.23 ms (median), suspect (no governor).",
        "Latency on adb with 1 thread: not valid (hot).",
    )


def test_what_was_not_measured_or_emulated_is_said(bundled):
    report(bundled, [])
    assert measured(bundled)[1:] == ("Its latency was not measured.",)
    report(bundled, [row("ssh://pi", 4, "invalid", "emulated", emulated=True)])
    assert measured(bundled)[1:] == (
        "Latency on ssh://pi with 4 threads: emulated, which says nothing about a device.",
    )


def test_a_damaged_report_is_an_error(bundled):
    (bundled.origin / "report.json").write_text("{}")
    with pytest.raises(IntegrityError, match=r"report\.json is damaged"):
        measured(bundled)
